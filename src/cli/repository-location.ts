/**
 * Which repository, and what opens it. Without `--repo` and VARVE_REPO it is the default one in the
 * user's data folder, whose generated key file lies in the configuration folder. Only `snapshot`
 * makes it, at its first use, so that a mistyped setting never looks like an empty repository.
 */
import { existsSync } from "node:fs";
import { VarveError } from "../base/errors.ts";
import type { CliContext } from "./context.ts";
import { writeNewKeyFile } from "./key-file.ts";
import { type NewSecret, passwordContext } from "./new-secret.ts";
import { askPassword, givenPassword, type PasswordOptions, readPassword } from "./password.ts";
import { canPrompt } from "./prompt.ts";
import { defaultKeyFile, defaultRepository } from "./xdg.ts";

export interface RepositoryLocation {
  readonly url: string;
  /** The default repository: nobody named one. */
  readonly isDefault: boolean;
  /** What says how it is opened; otherwise the options that every command takes. */
  readonly password?: { readonly word: string; readonly options: PasswordOptions };
}

export function repositoryLocation(context: CliContext): RepositoryLocation {
  const { repo } = context.globals;
  if (repo !== undefined) return { url: repo, isDefault: false };
  return { url: defaultRepository(context.system.env), isDefault: true };
}

/**
 * The password or key that opens the repository. `exists` is asked before anybody is prompted, so
 * that a wrong place is not met with a question for its password.
 */
export async function obtainPassword(
  context: CliContext,
  location: RepositoryLocation,
  requireRepository: () => Promise<void>,
): Promise<string> {
  const { word, options } = location.password ?? { options: context.globals };
  const given = givenPassword(options, context.system.env, word);
  if (given !== undefined) return readPassword(given, passwordContext(context));
  await requireRepository();
  const path = location.isDefault ? defaultKeyFile(context.system.env) : undefined;
  if (path !== undefined && existsSync(path)) {
    return readPassword({ kind: "file", path }, passwordContext(context));
  }
  const asking = passwordContext(context);
  if (path !== undefined && !canPrompt(asking.terminal)) {
    const message = `No password was given, and there is no key file ${path}.`;
    throw new VarveError("password-missing", message, {
      hint: "Put the key file back, or name its copy, or a password, with --password-file.",
    });
  }
  if (word !== undefined && !canPrompt(asking.terminal)) {
    const message = `No password of ${location.url} was given, and there is no terminal.`;
    throw new VarveError("password-missing", message, {
      hint: `Use --${word}-password-file or --${word}-password-command.`,
    });
  }
  return askPassword(asking, `Password of ${location.url}`, false);
}

/** The password for the default repository that is about to be made, or its new key file. */
export async function obtainFirstKey(context: CliContext): Promise<NewSecret> {
  const { env } = context.system;
  const given = givenPassword(context.globals, env);
  if (given !== undefined) {
    return { password: await readPassword(given, passwordContext(context)), keyFile: undefined };
  }
  const keyFile = defaultKeyFile(env);
  if (!existsSync(keyFile)) {
    try {
      return { password: await writeNewKeyFile(keyFile, context.system.random), keyFile };
    } catch (error) {
      // Another first snapshot was quicker: use its key.
      if (!existsSync(keyFile)) throw error;
    }
  }
  const source = { kind: "file", path: keyFile } as const;
  return { password: await readPassword(source, passwordContext(context)), keyFile };
}

/** `repo-absent` for the default repository, with what to do about it. */
export function noDefaultRepository(url: string, cause: unknown): VarveError {
  return new VarveError("repo-absent", `There is no repository yet: ${url} does not exist.`, {
    hint: "Make one with `varve snapshot FOLDER`, or name another with --repo.",
    cause,
  });
}
