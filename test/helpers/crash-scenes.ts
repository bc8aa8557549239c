/**
 * What a process may be doing when it dies: each scene makes a repository with some history, and
 * one act. Small trees, so that thousands of deaths can be tried.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { packId, type SnapshotId, toHex } from "../../src/base/ids.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import { changePassword } from "../../src/engine/key-management.ts";
import { prune } from "../../src/engine/prune.ts";
import type { Secret } from "../../src/repo/crypto/kek.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { buryPacks, markSwept } from "../../src/repo/tombstones.ts";
import { noise } from "./file-fixtures.ts";
import type { Place } from "./snapshot-place.ts";
import { takeSnapshot } from "./snapshot-runs.ts";
import { type Shown, shownOnDisk } from "./snapshot-shown.ts";
import { testSecret } from "./test-repository.ts";

/** The snapshots that were committed, each with what it has to show. */
export class History {
  readonly shown = new Map<SnapshotId, Shown>();
  /** Those that the act is about to forget. */
  readonly doomed = new Set<SnapshotId>();

  async take(repo: Repository, place: Place): Promise<SnapshotId> {
    const { id } = await takeSnapshot(repo, place.root);
    if (id === undefined) throw new Error("no snapshot was made");
    this.shown.set(id, shownOnDisk(place.root));
    return id;
  }

  async forget(repo: Repository, id: SnapshotId): Promise<void> {
    await forgetSnapshots(repo, [id]);
    this.shown.delete(id);
  }
}

export interface Scene {
  readonly name: string;
  prepare(repo: Repository, place: Place, history: History): Promise<void>;
  act(repo: Repository, history: History): Promise<void>;
  /** The snapshots lack blobs at first, which a prune has to get back. */
  readonly needsPrune?: boolean;
  /** After the act, blobs stand on bases; what prepared it may have dropped other uses of them. */
  readonly hasBases?: boolean;
  /** Secrets of which at least one opens the repository afterwards. */
  readonly secrets?: readonly Secret[];
}

/** Everything unused goes, so that each prune has as much to do as there can be. */
export const pruneAll = (repo: Repository, forget: readonly SnapshotId[] = []) =>
  prune(repo, { maxUnused: { kind: "bytes", bytes: 0 }, forget });

const rootOf = new WeakMap<Repository, string>();

/** The act only has the repository, whose source tree is this. */
export function setRoot(repo: Repository, root: string): void {
  rootOf.set(repo, root);
}

async function actSnapshot(repo: Repository): Promise<void> {
  await takeSnapshot(repo, rootOf.get(repo) ?? "");
}

/** Nearly what `makeSmallTree` writes: after three times its chunk is of generation 3. */
function changeSteady(place: Place, times: number): void {
  const changed = noise(20_000, 1);
  for (let time = 0; time < times; time++) changed.fill(7, 9000 + time * 500, 9040 + time * 500);
  place.write("a/steady", changed);
}

function makeSmallTree(place: Place): void {
  place.write("a/steady", noise(20_000, 1));
  place.write("a/text", "text\n".repeat(2000));
  place.write("b/empty", "");
  fs.symlinkSync("steady", place.at("a/link"));
}

const firstSnapshot: Scene = {
  name: "a first snapshot",
  prepare: async (_repo, place) => makeSmallTree(place),
  act: actSnapshot,
};

const secondSnapshot: Scene = {
  name: "a second snapshot",
  hasBases: true,
  prepare: async (repo, place, history) => {
    makeSmallTree(place);
    for (const times of [1, 2]) {
      await history.take(repo, place);
      changeSteady(place, times);
    }
    await history.take(repo, place);
    place.write("a/text", "other text\n".repeat(2000));
    changeSteady(place, 3);
    place.write("b/new", noise(9000, 2));
  },
  act: actSnapshot,
};

const mergingSnapshot: Scene = {
  name: "a snapshot that merges index objects",
  prepare: async (repo, place, history) => {
    for (let i = 0; i < 7; i++) {
      place.write("file", `version ${i}`);
      await history.take(repo, place);
    }
    place.write("file", "the last version");
  },
  act: actSnapshot,
};

const forget: Scene = {
  name: "forget",
  prepare: async (repo, place, history) => {
    for (let i = 0; i < 4; i++) {
      place.write("file", `version ${i}`);
      const id = await history.take(repo, place);
      if (i < 3) history.doomed.add(id);
    }
  },
  act: (repo, history) => forgetSnapshots(repo, [...history.doomed]),
};

/** Leaves packs of which nothing is needed, packs of which a part is, and whole ones. */
async function makeWaste(repo: Repository, place: Place, history: History): Promise<void> {
  makeSmallTree(place);
  place.write("gone", noise(25_000, 3));
  const first = await history.take(repo, place);
  fs.unlinkSync(place.at("gone"));
  place.write("brief", noise(30_000, 4));
  changeSteady(place, 1);
  const second = await history.take(repo, place);
  fs.unlinkSync(place.at("brief"));
  changeSteady(place, 2);
  const third = await history.take(repo, place);
  place.write("b/late", noise(15_000, 5));
  changeSteady(place, 3);
  await history.take(repo, place);
  history.doomed.add(first).add(second).add(third);
}

async function makeFreedWaste(repo: Repository, place: Place, history: History): Promise<void> {
  await makeWaste(repo, place, history);
  for (const id of history.doomed) await history.forget(repo, id);
  history.doomed.clear();
}

const pruning: Scene = {
  name: "a prune that forgets, drops and rewrites",
  hasBases: true,
  prepare: makeWaste,
  act: async (repo, history) => void (await pruneAll(repo, [...history.doomed])),
};

const mergingPrune: Scene = {
  name: "a prune that merges tombstones",
  hasBases: true,
  prepare: async (repo, place, history) => {
    await makeFreedWaste(repo, place, history);
    for (let i = 0; i < 7; i++) {
      const [tombstone] = await buryPacks(repo, [packId(toHex(randomBytes(32)))]);
      if (tombstone !== undefined) await markSwept(repo, tombstone);
    }
  },
  act: async (repo) => void (await pruneAll(repo)),
};

/**
 * A tombstone of a prune that died, over packs that a later snapshot needs: they are copied
 * out.
 */
const copyingPrune: Scene = {
  name: "a prune that sweeps after another and copies out",
  prepare: async (repo, place, history) => {
    makeSmallTree(place);
    await history.take(repo, place);
    for (const { pack } of repo.index.livingPacks()) await buryPacks(repo, [pack]);
  },
  needsPrune: true,
  act: async (repo) => void (await pruneAll(repo)),
};

const nextSecret: Secret = { kind: "key", bytes: Buffer.alloc(32, 9) };

const passwd: Scene = {
  name: "key passwd",
  prepare: async (repo, place, history) => {
    makeSmallTree(place);
    await history.take(repo, place);
  },
  act: async (repo) =>
    void (await changePassword(repo, testSecret, { secret: nextSecret, label: "next" })),
  secrets: [testSecret, nextSecret],
};

export const scenes: readonly Scene[] = [
  firstSnapshot,
  secondSnapshot,
  mergingSnapshot,
  forget,
  pruning,
  mergingPrune,
  copyingPrune,
  passwd,
];
