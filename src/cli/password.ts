/**
 * Where the password or key of a repository comes from. In this order, the first that is given:
 * `--password-file`, `--password-command`, VARVE_PASSWORD_FILE, VARVE_PASSWORD_COMMAND,
 * VARVE_PASSWORD, the key file that belongs to the repository, a prompt on a terminal.
 *
 * One line end at the end is no part of a password. A command is split into words and run without
 * a shell; its stderr and its terminal are those of varve. No password is ever an argument.
 */
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { VarveError } from "../base/errors.ts";
import { canPrompt, type PromptTerminal, promptPassword } from "./prompt.ts";
import { splitWords } from "./split-words.ts";
import type { Environment } from "./xdg.ts";

export interface PasswordOptions {
  readonly passwordFile?: string;
  readonly passwordCommand?: string;
}

export type PasswordSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "command"; readonly command: string }
  | { readonly kind: "text"; readonly text: string };

export interface PasswordContext {
  readonly terminal: PromptTerminal;
  readonly signal: AbortSignal;
  warn(text: string): void;
}

/** Longest password or key file, bytes; a larger file is not one. */
const passwordBytesMax = 64 * 1024;

/**
 * What flags and environment say, if anything; a flag wins over the environment. `word`: of the
 * second repository of a command, whose options and variables have it in their names.
 */
export function givenPassword(
  options: PasswordOptions,
  env: Environment,
  word?: string,
): PasswordSource | undefined {
  const { passwordFile, passwordCommand } = options;
  if (passwordFile !== undefined && passwordCommand !== undefined) {
    const option = `--${word === undefined ? "" : `${word}-`}password`;
    throw new VarveError("usage", `Give ${option}-file or ${option}-command, not both.`);
  }
  if (passwordFile !== undefined) return { kind: "file", path: passwordFile };
  if (passwordCommand !== undefined) return { kind: "command", command: passwordCommand };
  const name = `VARVE_${word === undefined ? "" : `${word.toUpperCase()}_`}PASSWORD`;
  const file = env[`${name}_FILE`];
  if (file) return { kind: "file", path: file };
  const command = env[`${name}_COMMAND`];
  if (command) return { kind: "command", command };
  const text = env[name];
  return text ? { kind: "text", text } : undefined;
}

/** The password itself: never empty. */
export async function readPassword(
  source: PasswordSource,
  context: PasswordContext,
): Promise<string> {
  switch (source.kind) {
    case "file":
      return requireText(readPasswordFile(source.path, context), `The file ${source.path}`);
    case "command":
      return requireText(await runPasswordCommand(source.command, context), "Its command");
    case "text":
      return requireText(source.text, "VARVE_PASSWORD");
  }
}

/** Asks once, or twice where a typing error would lock the user out. */
export async function askPassword(
  context: PasswordContext,
  question: string,
  twice: boolean,
): Promise<string> {
  if (!canPrompt(context.terminal)) {
    throw new VarveError("password-missing", "No password was given, and there is no terminal.", {
      hint: "Use --password-file, --password-command, or VARVE_PASSWORD in the environment.",
    });
  }
  const password = await promptPassword(context.terminal, `${question}: `);
  if (password === "") throw emptyPassword("What was typed");
  if (twice && (await promptPassword(context.terminal, "Once more: ")) !== password) {
    throw new VarveError("usage", "The two passwords are not the same.");
  }
  return password;
}

/** Reads a password file and warns when others than its owner may. */
function readPasswordFile(path: string, context: PasswordContext): string {
  let text: string;
  try {
    const stat = statSync(path);
    if (stat.isFile() && stat.size > passwordBytesMax) {
      throw new VarveError("usage", `${path} is too large for a password file.`);
    }
    if (stat.isFile() && (stat.mode & 0o044) !== 0) {
      context.warn(`Other users can read ${path}; run: chmod 600 ${path}`);
    }
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code ?? "unreadable";
    throw new VarveError("password-missing", `Cannot read the password file ${path}: ${reason}.`, {
      hint: "Check its name and its permissions.",
      cause,
    });
  }
  return withoutLineEnd(text);
}

function runPasswordCommand(command: string, context: PasswordContext): Promise<string> {
  const [program, ...args] = splitWords(command);
  if (program === undefined) throw new VarveError("usage", "The password command is empty.");
  const child = spawn(program, args, {
    stdio: ["inherit", "pipe", "inherit"],
    signal: context.signal,
  });
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const fail = (what: string, cause?: unknown) =>
      reject(
        new VarveError("password-missing", `The password command ${program} ${what}.`, {
          hint: "Run it by hand; it must print the password on its standard output.",
          cause,
        }),
      );
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", (cause) => fail(`cannot be run: ${cause.message}`, cause));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(withoutLineEnd(Buffer.concat(chunks).toString("utf8")));
      else fail(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    });
  });
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

function requireText(text: string, what: string): string {
  if (text === "") throw emptyPassword(what);
  return text;
}

function emptyPassword(what: string): VarveError {
  return new VarveError("password-missing", `${what} gives an empty password.`, {
    hint: "A repository needs a password or a key file.",
  });
}
