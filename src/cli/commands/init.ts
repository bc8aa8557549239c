/** `varve init`: creates a repository. */
import { rmSync } from "node:fs";
import type { Command } from "commander";
import { hasCode, VarveError } from "../../base/errors.ts";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import {
  type CipherChoice,
  cipherChoices,
  packBytesDefault,
  type SharedWithOther,
} from "../create-repository.ts";
import { type NewSecret, newSecret, passwordContext } from "../new-secret.ts";
import { addOtherPasswordOptions, type OtherFlags } from "../other-repository.ts";
import { givenPassword, readPassword } from "../password.ts";
import { parseSize } from "../size-parse.ts";
import { choice } from "./option-values.ts";

interface InitFlags extends OtherFlags {
  readonly copyChunkerFrom?: string;
  readonly newKeyFile?: string;
  readonly label?: string;
  readonly cipher?: CipherChoice;
  readonly packSize?: number;
  readonly padding?: boolean;
}

export const define: Define = (command, run) => {
  addOptions(command);
  command.action(
    run<InitFlags>(async (context, _args, flags) => {
      await init(context, flags);
      return undefined;
    }),
  );
};

function addOptions(command: Command): void {
  command
    .description(
      "Create a repository, encrypted with a password (asked for, or given by file, command " +
        "or environment) or with a new key file.",
    )
    .option("--new-key-file <file>", "make a key file that opens the repository, and no password")
    .option("--label <text>", "name of the first key in `varve key list`")
    .addOption(choice("--cipher <name>", "default: what this processor does faster", cipherChoices))
    .option(
      "--pack-size <size>",
      `size of the objects that hold data (default: ${packBytesDefault / 2 ** 20}M)`,
      parseSize,
    )
    .option("--padding", "pad those objects, so that their sizes tell less")
    .option(
      "--copy-chunker-from <location>",
      "cut and name data as this repository does, so that copies between the two share it",
    );
  addOtherPasswordOptions(command, "from").addHelpText(
    "after",
    `
Examples:
  varve init --repo /mnt/disk/backup
  varve init --repo /mnt/disk/backup --new-key-file ~/backup.key
  varve init --repo s3://far/backup --copy-chunker-from /mnt/disk/backup

A repository made with --copy-chunker-from has a password and encryption of its own. It shares two
secrets that open nothing; whoever holds one of the two keys knows where the other repository
cuts, and what a known piece of data would be called there. The names are never visible in a store.

The password cannot be recovered. Keep it, or the key file, somewhere else than the data.`,
  );
}

async function init(context: CliContext, flags: InitFlags): Promise<void> {
  const { createRepository, refuseExisting } = await import("../create-repository.ts");
  const { repositoryLocation } = await import("../repository-location.ts");
  const { url, isDefault } = repositoryLocation(context);
  await refuseExisting(context, url);
  const shared = await sharedSecrets(context, flags);
  const { password, keyFile } = await firstSecret(context, flags, isDefault, url);
  const repository = await createRepository(context, {
    url,
    password,
    label: flags.label ?? (keyFile === undefined ? "first password" : "first key file"),
    ...(flags.cipher === undefined ? {} : { cipher: flags.cipher }),
    ...(flags.packSize === undefined ? {} : { packBytes: flags.packSize }),
    padding: flags.padding === true,
    ...(shared === undefined ? {} : { shared }),
  }).catch((error: unknown) => {
    // Another was quicker: what was made for ours opens nothing.
    if (flags.newKeyFile !== undefined && hasCode(error, "repo-exists")) rmSync(flags.newKeyFile);
    throw error;
  });
  const { id } = repository.description;
  await repository.close();
  const { output } = context;
  output.summary(`Created repository ${id.slice(0, 8)} at ${url}.`);
  if (keyFile !== undefined) output.summary(keyFileAdvice(keyFile));
  output.row({ repository_id: id, repository: url, key_file: keyFile ?? null });
}

/** Of the repository that the new one is to be like. */
async function sharedSecrets(
  context: CliContext,
  flags: InitFlags,
): Promise<SharedWithOther | undefined> {
  const { copyChunkerFrom: from } = flags;
  if (from === undefined) {
    if ((flags.fromPasswordFile ?? flags.fromPasswordCommand) === undefined) return undefined;
    throw new VarveError("usage", "--from-password-… wants --copy-chunker-from.");
  }
  const [{ withOther }, { otherLocation }, { idsRootOf }] = await Promise.all([
    import("../open-repository.ts"),
    import("../other-repository.ts"),
    import("../../repo/crypto/keys.ts"),
  ]);
  const location = otherLocation(context, from, "from", flags);
  return withOther(context, location, async ({ bundle, description }) => ({
    chunkerSecret: bundle.chunkerSecret,
    idsRoot: idsRootOf(bundle),
    chunkers: description.chunkers,
  }));
}

/** What everybody has to know who lets varve make a key. */
export function keyFileAdvice(keyFile: string): string {
  return (
    `Its key is the file ${keyFile}. Copy it to a safe place that is not this machine:\n` +
    "without it nobody can read the backup, and whoever has it can."
  );
}

/** A new key file, the password given, the default repository's key file, or what is typed. */
async function firstSecret(
  context: CliContext,
  flags: InitFlags,
  isDefault: boolean,
  url: string,
): Promise<NewSecret> {
  const { globals, system } = context;
  const given = givenPassword(globals, system.env);
  if (flags.newKeyFile === undefined && given !== undefined) {
    return { password: await readPassword(given, passwordContext(context)), keyFile: undefined };
  }
  if (flags.newKeyFile === undefined && isDefault) {
    const { obtainFirstKey } = await import("../repository-location.ts");
    return obtainFirstKey(context);
  }
  if (globals.passwordFile ?? globals.passwordCommand) {
    throw new VarveError("usage", "Give a password or --new-key-file, not both.");
  }
  const { newKeyFile } = flags;
  const flag = newKeyFile === undefined ? {} : { newKeyFile };
  return newSecret(context, flag, `New password for ${url}`);
}
