/** The password or key file that is to open the repository from now on. */
import { VarveError } from "../base/errors.ts";
import type { CliContext } from "./context.ts";
import { askPassword, type PasswordContext, readPassword } from "./password.ts";

export interface NewSecretFlags {
  readonly newPasswordFile?: string;
  readonly newPasswordCommand?: string;
  readonly newKeyFile?: string;
}

export interface NewSecret {
  readonly password: string;
  /** The key file that was made. */
  readonly keyFile: string | undefined;
}

export function passwordContext(context: CliContext): PasswordContext {
  const { terminal, signal, output } = context;
  return { terminal, signal, warn: (text) => output.warn(text) };
}

/** What the flags say, or else what the user types twice. */
export async function newSecret(
  context: CliContext,
  flags: NewSecretFlags,
  question: string,
): Promise<NewSecret> {
  const { newPasswordFile, newPasswordCommand, newKeyFile } = flags;
  const given = [newPasswordFile, newPasswordCommand, newKeyFile].filter(
    (value) => value !== undefined,
  );
  if (given.length > 1) {
    throw new VarveError("usage", "Give one of the --new-… options, not several.");
  }
  const reading = passwordContext(context);
  if (newKeyFile !== undefined) {
    const { writeNewKeyFile } = await import("./key-file.ts");
    const password = await writeNewKeyFile(newKeyFile, context.system.random);
    return { password, keyFile: newKeyFile };
  }
  const password =
    newPasswordFile !== undefined
      ? await readPassword({ kind: "file", path: newPasswordFile }, reading)
      : newPasswordCommand !== undefined
        ? await readPassword({ kind: "command", command: newPasswordCommand }, reading)
        : await askPassword(reading, question, true);
  return { password, keyFile: undefined };
}
