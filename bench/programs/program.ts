/**
 * What the bench asks of each program. Each repository stands in a folder, its place, with its own
 * cache and settings, so that a prepared one can be copied with its cache warm.
 */
import { accessSync, constants, cpSync, mkdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Command } from "../measure.ts";

/** In the order in which they take turns, and of the tables. `borg-zstd` is Borg, tuned. */
export const programNames = ["restic", "borg", "borg-zstd", "varve"] as const;
export type ProgramName = (typeof programNames)[number];

export interface Program {
  readonly name: ProgramName;
  readonly version: string;
  init(place: string): void;
  /** The same paths as before are the same series, or whatever the program calls it. */
  snapshot(place: string, path: string): Command;
  /** The latest snapshot, or only the file or folder `path` of it, to `target`/its whole path. */
  restore(place: string, target: string, path?: string): Command;
  list(place: string): Command;
  /** `list` with a passphrase, where a key file is what everything else uses. */
  listWithPassphrase(place: string): Command;
  check(place: string, how: { readonly readData: boolean }): Command;
  /** Forgets these snapshots, and frees nothing yet. */
  forget(place: string, ids: readonly string[]): Command[];
  prune(place: string): Command;
  /** Ids of all snapshots, oldest first. */
  snapshotIds(place: string): string[];
  /** Brings the repository in `place`, made with one snapshot, to `count` snapshots. */
  multiply(place: string, count: number, tiny: (step: number) => string): void;
}

export const repositoryIn = (place: string) => join(place, "repository");

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Where a peer is: what the environment's `variable` names, else the first of `names` in $PEERS/bin
 * and on the PATH.
 */
export function findPeer(variable: string, names: readonly string[]): string | undefined {
  const { [variable]: given, PEERS, PATH = "" } = process.env;
  if (given !== undefined) return isProgram(given) ? given : undefined;
  const folders = [...(PEERS === undefined ? [] : [join(PEERS, "bin")]), ...PATH.split(delimiter)];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram);
}

/** An empty folder with a new repository and an empty cache. */
export function freshRepository(program: Program, place: string): void {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  program.init(place);
}

/** A copy of a prepared repository and its cache. */
export function copyRepository(from: string, place: string): void {
  rmSync(place, { recursive: true, force: true });
  cpSync(from, place, { recursive: true, preserveTimestamps: true });
}
