/**
 * The two programs under one face. Each repository stands in a folder with its own cache, so that
 * a prepared one can be copied with its cache warm. Defaults are left alone on both sides.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { blake3 } from "hash-wasm";
import { type Command, output } from "./measure.ts";
import type { Options, ProgramName } from "./options.ts";

export interface Program {
  readonly name: ProgramName;
  readonly version: string;
  /** A command of the program on the repository in `place`. */
  command(place: string, ...args: string[]): Command;
  /** `command` with the passphrase where the key file is what everything else uses. */
  withPassphrase(place: string, ...args: string[]): Command;
  restore(place: string, target: string): Command;
  snapshot(place: string, path: string): Command;
  /** Ids of all snapshots, oldest first. */
  snapshotIds(place: string): string[];
  /** Brings the repository in `place`, made with one snapshot, to `count` snapshots. */
  multiply(place: string, count: number, tiny: (step: number) => string): void;
  init(place: string): void;
}

export const repositoryIn = (place: string) => join(place, "repository");

/** The secrets of both programs, in the work folder. */
interface Secrets {
  readonly keyFile: string;
  readonly passphraseFile: string;
}

async function writeSecrets(folder: string): Promise<Secrets> {
  const secrets = {
    keyFile: join(folder, "data/key-file"),
    passphraseFile: join(folder, "data/passphrase"),
  };
  if (!existsSync(secrets.keyFile)) {
    const key = randomBytes(32);
    const check = (await blake3(key)).slice(0, 8);
    writeFileSync(secrets.keyFile, `varve-key-v1:${key.toString("hex")}:${check}\n`, {
      mode: 0o600,
    });
    const phrase = createHash("sha256").update(key).digest("base64");
    writeFileSync(secrets.passphraseFile, `${phrase}\n`);
  }
  return secrets;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findRestic(): string {
  const { RESTIC, PEERS, PATH = "" } = process.env;
  const places = [
    ...(RESTIC === undefined ? [] : [RESTIC]),
    ...(PEERS === undefined ? [] : [join(PEERS, "bin/restic-0.19.1")]),
    ...PATH.split(delimiter).flatMap((folder) => [
      join(folder, "restic-0.19.1"),
      join(folder, "restic"),
    ]),
  ];
  const found = places.find(isProgram);
  if (found === undefined)
    throw new Error("restic is not here: see bench/README.md, or --only varve");
  return found;
}

function restic({ passphraseFile }: Secrets): Program {
  const path = findRestic();
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
  return {
    name: "restic",
    version: output({ argv: [path, "version"], env: {} })
      .split(" ")
      .slice(0, 2)
      .join(" "),
    command,
    withPassphrase: command,
    snapshot: (place, folder) => command(place, "backup", folder),
    restore: (place, target) => command(place, "restore", "latest", "--target", target),
    snapshotIds,
    init: (place) => void output(command(place, "init")),
    multiply: (place, count) => {
      // Half a second each would be ten minutes; rewriting doubles their number in one go.
      for (let ids = snapshotIds(place); ids.length < count; ids = snapshotIds(place)) {
        const some = ids.slice(0, count - ids.length);
        output(command(place, "rewrite", "--new-host", `host-${ids.length}`, ...some));
      }
    },
  };
}

function varve(options: Options, secrets: Secrets): Program {
  const with_ = (secretFile: string, place: string, args: string[]): Command => ({
    argv: [process.execPath, options.varve, ...args],
    env: {
      VARVE_REPO: repositoryIn(place),
      VARVE_CACHE_DIR: join(place, "cache"),
      VARVE_PASSWORD_FILE: secretFile,
      XDG_CONFIG_HOME: join(place, "config"),
      XDG_DATA_HOME: join(place, "data"),
    },
  });
  const command = (place: string, ...args: string[]) => with_(secrets.keyFile, place, args);
  const snapshot = (place: string, path: string) => command(place, "snapshot", path);
  const snapshotIds = (place: string) =>
    output(command(place, "snapshots", "--json"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => (JSON.parse(line) as { id: string }).id);
  return {
    name: "varve",
    version: output({ argv: [process.execPath, options.varve, "version"], env: {} }).trim(),
    command,
    withPassphrase: (place, ...args) => with_(secrets.passphraseFile, place, args),
    snapshot,
    restore: (place, target) => command(place, "restore", "latest", "--target", target),
    snapshotIds,
    init: (place) => void output(command(place, "init")),
    multiply: (place, count, tiny) => {
      output(command(place, "key", "add", "--new-password-file", secrets.passphraseFile));
      for (let made = 1; made < count; made++) output(snapshot(place, tiny(made)));
    },
  };
}

export async function findPrograms(options: Options): Promise<Program[]> {
  const secrets = await writeSecrets(options.folder);
  return options.programs.map((name) =>
    name === "restic" ? restic(secrets) : varve(options, secrets),
  );
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
