/** varve with its defaults, as built in this checkout, or another one's main.js. */
import { join } from "node:path";
import { type Command, output } from "../measure.ts";
import { type Program, repositoryIn } from "./program.ts";
import type { Secrets } from "./secrets.ts";

export function varve(path: string, secrets: Secrets): Program {
  const withSecret = (secretFile: string, place: string, args: string[]): Command => ({
    argv: [process.execPath, path, ...args],
    env: {
      VARVE_REPO: repositoryIn(place),
      VARVE_CACHE_DIR: join(place, "cache"),
      VARVE_PASSWORD_FILE: secretFile,
      XDG_CONFIG_HOME: join(place, "config"),
      XDG_DATA_HOME: join(place, "data"),
    },
  });
  const command = (place: string, ...args: string[]) => withSecret(secrets.keyFile, place, args);
  const snapshot = (place: string, folder: string) => command(place, "snapshot", folder);
  return {
    name: "varve",
    version: output({ argv: [process.execPath, path, "version"], env: {} }).trim(),
    init: (place) => void output(command(place, "init")),
    snapshot,
    restore: (place, target, only) => {
      const paths = only === undefined ? [] : [only];
      return command(place, "restore", "--target", target, "latest", ...paths);
    },
    list: (place) => command(place, "snapshots"),
    listWithPassphrase: (place) => withSecret(secrets.passphraseFile, place, ["snapshots"]),
    check: (place, { readData }) => command(place, "check", ...(readData ? ["--read-data"] : [])),
    forget: (place, ids) => [command(place, "forget", ...ids)],
    prune: (place) => command(place, "prune"),
    snapshotIds: (place) =>
      output(command(place, "snapshots", "--json"))
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as { id: string }).id),
    multiply: (place, count, tiny) => {
      output(command(place, "key", "add", "--new-password-file", secrets.passphraseFile));
      for (let made = 1; made < count; made++) output(snapshot(place, tiny(made)));
    },
  };
}
