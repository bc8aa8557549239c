/**
 * Borg 1.4 or 2: with its defaults (lz4), or tuned to varve's compression, zstd 3. There is no
 * default for encryption: what is taken is the mode that is fastest on today's processors.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Command, output } from "../measure.ts";
import { type Program, type ProgramName, repositoryIn } from "./program.ts";
import type { Secrets } from "./secrets.ts";

/** The newest first. */
export const borgNames = ["borg-2.0.0b25", "borg2", "borg-1.4.5", "borg"];

/** The command lines in which the two lines of Borg differ. */
interface Dialect {
  readonly init: readonly string[];
  readonly list: readonly string[];
  snapshot(path: string, options: readonly string[]): string[];
  /** How a snapshot of `snapshotIds` is named; it is the archive's name in 1.4, an id in 2. */
  name(id: string): string;
  idOf(row: { readonly id: string; readonly name: string }): string;
  forget(ids: readonly string[]): string[][];
}

/** In Borg 1.4 an archive has a name of its own; the repository comes from BORG_REPO. */
const dialect1: Dialect = {
  init: ["init", "--encryption", "repokey-blake2"],
  list: ["list"],
  snapshot: (path, options) => ["create", ...options, "::{now:%Y-%m-%dT%H:%M:%S.%f}", path],
  name: (id) => `::${id}`,
  idOf: (row) => row.name,
  forget: (ids) => [["delete", "::", ...ids]],
};

/** In Borg 2 archives of one series share their name, and have ids. */
const dialect2: Dialect = {
  init: ["repo-create", "--encryption", "aes256-ocb", "--id-hash", "blake3"],
  list: ["repo-list"],
  snapshot: (path, options) => ["create", ...options, "bench", path],
  name: (id) => `aid:${id}`,
  idOf: (row) => row.id,
  forget: (ids) => ids.map((id) => ["delete", `aid:${id}`]),
};

export function borg(name: ProgramName, path: string, { passphrase }: Secrets): Program {
  const version = output({ argv: [path, "--version"], env: {} }).trim();
  const dialect = /^borg2? 2\./.test(version) ? dialect2 : dialect1;
  const options = name === "borg-zstd" ? ["--compression", "zstd,3"] : [];
  const command = (place: string, ...args: string[]): Command => ({
    argv: [path, ...args],
    env: {
      BORG_REPO: repositoryIn(place),
      BORG_BASE_DIR: join(place, "borg"),
      BORG_PASSPHRASE: passphrase,
      // A copy of a prepared repository stands in another place than the repository did.
      BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
      BORG_CHECK_I_KNOW_WHAT_I_AM_DOING: "YES",
      BORG_DELETE_I_KNOW_WHAT_I_AM_DOING: "YES",
    },
  });
  const snapshotIds = (place: string) => {
    const shown = output(command(place, ...dialect.list, "--json"));
    const { archives } = JSON.parse(shown) as { archives: { id: string; name: string }[] };
    return archives.map(dialect.idOf);
  };
  const snapshot = (place: string, folder: string) =>
    command(place, ...dialect.snapshot(folder, options));
  const list = (place: string) => command(place, ...dialect.list);
  return {
    name,
    version: name === "borg-zstd" ? `${version} --compression zstd,3` : version,
    init: (place) => {
      mkdirSync(join(place, "borg"), { recursive: true });
      output(command(place, ...dialect.init));
    },
    snapshot,
    restore: (place, target, only) => {
      const latest = dialect.name(snapshotIds(place).at(-1) ?? "");
      const paths = only === undefined ? [] : [only.slice(1)];
      return { ...command(place, "extract", latest, ...paths), cwd: target };
    },
    list,
    listWithPassphrase: list,
    check: (place, { readData }) => command(place, "check", ...(readData ? ["--verify-data"] : [])),
    forget: (place, ids) => dialect.forget(ids).map((args) => command(place, ...args)),
    prune: (place) => command(place, "compact"),
    snapshotIds,
    multiply: (place, count, tiny) => {
      for (let made = 1; made < count; made++) output(snapshot(place, tiny(made)));
    },
  };
}
