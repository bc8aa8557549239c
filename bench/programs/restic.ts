/** restic with its defaults. Its compression `auto` is zstd's default level, as varve's is. */
import { join } from "node:path";
import { type Command, output } from "../measure.ts";
import { type Program, repositoryIn } from "./program.ts";
import type { Secrets } from "./secrets.ts";

export const resticNames = ["restic-0.19.1", "restic"];

export function restic(path: string, { passphraseFile }: Secrets): Program {
  const command = (place: string, ...args: string[]): Command => ({
    argv: [path, ...args],
    env: {
      RESTIC_REPOSITORY: repositoryIn(place),
      RESTIC_CACHE_DIR: join(place, "cache"),
      RESTIC_PASSWORD_FILE: passphraseFile,
    },
  });
  const snapshotIds = (place: string) => {
    const rows = JSON.parse(output(command(place, "snapshots", "--json"))) as { id: string }[];
    return rows.map((row) => row.id);
  };
  const list = (place: string) => command(place, "snapshots");
  const version = output({ argv: [path, "version"], env: {} });
  return {
    name: "restic",
    version: version.split(" ").slice(0, 2).join(" "),
    init: (place) => void output(command(place, "init")),
    snapshot: (place, folder) => command(place, "backup", folder),
    restore: (place, target, only) => {
      const include = only === undefined ? [] : ["--include", only];
      return command(place, "restore", "latest", "--target", target, ...include);
    },
    list,
    listWithPassphrase: list,
    check: (place, { readData }) => command(place, "check", ...(readData ? ["--read-data"] : [])),
    forget: (place, ids) => [command(place, "forget", ...ids)],
    prune: (place) => command(place, "prune"),
    snapshotIds,
    multiply: (place, count) => {
      // Half a second each would be ten minutes; rewriting doubles their number in one go.
      for (let ids = snapshotIds(place); ids.length < count; ids = snapshotIds(place)) {
        const some = ids.slice(0, count - ids.length);
        output(command(place, "rewrite", "--new-host", `host-${ids.length}`, ...some));
      }
    },
  };
}
