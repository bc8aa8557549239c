/** `varve key`: passwords and key files that open the repository. */

import type { Command } from "commander";
import type { Define, Run } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import type { NewSecretFlags } from "../new-secret.ts";
import type { OpenedRepository } from "../open-repository.ts";

export interface NewKeyFlags extends NewSecretFlags {
  readonly label?: string;
}

export const define: Define = (command, run) => {
  command.addHelpText(
    "after",
    `
Each key opens the whole repository; the data need not be written again when one changes.
A key that was removed may still open an old copy of the repository.`,
  );
  defineList(command.command("list"), run);
  defineAdd(command.command("add"), run);
  defineRemove(command.command("remove"), run);
  definePasswd(command.command("passwd"), run);
};

function addNewSecretOptions(command: Command): Command {
  return command
    .option("--new-password-file <file>", "file with the new password or key")
    .option("--new-password-command <command>", "command that prints the new password")
    .option("--new-key-file <file>", "make a new key file")
    .option("--label <text>", "name of the key in `varve key list`");
}

function defineList(command: Command, run: Run): void {
  command.description("List the keys.").summary("list the keys");
  command.action(
    run((context) => onRepository(context, (work, opened) => work.listKeys(context, opened))),
  );
}

function defineAdd(command: Command, run: Run): void {
  command
    .description("Add a password, or a new key file, as a further way in.")
    .summary("add a password or key file");
  addNewSecretOptions(command);
  command.action(
    run<NewKeyFlags>((context, _args, flags) =>
      onRepository(context, (work, opened) => work.addKey(context, opened, flags)),
    ),
  );
}

function defineRemove(command: Command, run: Run): void {
  command
    .description("Remove a key. The last one cannot be removed.")
    .summary("remove a key")
    .argument("<key>", "its id, or the beginning of it, as `varve key list` shows it");
  command.action(
    run((context, [prefix = ""]) =>
      onRepository(context, (work, opened) => work.removeKey(context, opened, prefix)),
    ),
  );
}

function definePasswd(command: Command, run: Run): void {
  command
    .description("Put a new password, or key file, in the place of the one given.")
    .summary("change the password");
  addNewSecretOptions(command);
  command.action(
    run<NewKeyFlags>((context, _args, flags) =>
      onRepository(context, (work, opened) => work.changeKey(context, opened, flags)),
    ),
  );
}

type KeyWork = typeof import("./key-run.ts");

async function onRepository(
  context: CliContext,
  act: (work: KeyWork, opened: OpenedRepository) => Promise<void>,
): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const work = await import("./key-run.ts");
  await withRepository(context, (opened) => act(work, opened));
}
