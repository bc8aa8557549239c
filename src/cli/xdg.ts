/** Folders of the user, by the XDG base directory specification; relative values do not count. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { VarveError } from "../base/errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

function folder(env: Environment, name: string, fallback: string): string {
  const value = env[name];
  if (value !== undefined && isAbsolute(value)) return value;
  return join(env["HOME"] || userHome(), fallback);
}

/** Of the password database, which need not know the user of a container. */
function userHome(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new VarveError("usage", "HOME is not set, and this user has no home folder.", {
      hint: "Set HOME, or name the folders with --repo, --password-file and --cache-dir.",
      cause,
    });
  }
}

export const defaultCacheDir = (env: Environment) =>
  join(folder(env, "XDG_CACHE_HOME", ".cache"), "varve");

/** The repository that is used when none is named. */
export const defaultRepository = (env: Environment) =>
  join(folder(env, "XDG_DATA_HOME", ".local/share"), "varve", "repository");

/** The key file of the default repository. */
export const defaultKeyFile = (env: Environment) =>
  join(folder(env, "XDG_CONFIG_HOME", ".config"), "varve", "key");
