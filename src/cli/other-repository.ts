/**
 * The second repository of a command, beside that of --repo: named by an option of its own, and
 * opened by what options and variables with the same word in their names say. Its password is never
 * an argument either.
 */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import type { RepositoryLocation } from "./repository-location.ts";
import { defaultRepository } from "./xdg.ts";

export type OtherWord = "to" | "from";

export function addOtherPasswordOptions(command: Command, word: OtherWord): Command {
  const variable = `VARVE_${word.toUpperCase()}_PASSWORD`;
  return command
    .option(`--${word}-password-file <file>`, `file with its password or key (${variable}_FILE)`)
    .option(
      `--${word}-password-command <command>`,
      `command that prints its password (${variable}_COMMAND)`,
    );
}

/** As commander gives them. */
export interface OtherFlags {
  readonly toPasswordFile?: string;
  readonly toPasswordCommand?: string;
  readonly fromPasswordFile?: string;
  readonly fromPasswordCommand?: string;
}

export function otherLocation(
  context: CliContext,
  url: string,
  word: OtherWord,
  flags: OtherFlags,
): RepositoryLocation {
  const file = word === "to" ? flags.toPasswordFile : flags.fromPasswordFile;
  const command = word === "to" ? flags.toPasswordCommand : flags.fromPasswordCommand;
  const options = {
    ...(file === undefined ? {} : { passwordFile: file }),
    ...(command === undefined ? {} : { passwordCommand: command }),
  };
  const isDefault = resolve(url) === resolve(defaultRepository(context.system.env));
  return { url, isDefault, password: { word, options } };
}
