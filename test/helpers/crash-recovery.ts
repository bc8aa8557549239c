/**
 * What must hold after a process died, whenever that was: the repository opens, a check is clean,
 * every snapshot committed before shows what it showed; the next snapshot and prune succeed, and
 * two prunes later nothing is left of the death.
 */
import assert from "node:assert/strict";
import { hasCode } from "../../src/base/errors.ts";
import { checkRepository } from "../../src/engine/check.ts";
import type { Secret } from "../../src/repo/crypto/kek.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { Store } from "../../src/repo/store/store.ts";
import { listTombstones } from "../../src/repo/tombstones.ts";
import { type History, pruneAll } from "./crash-scenes.ts";
import { hostOf, type Place } from "./snapshot-place.ts";
import { namesIn, takeSnapshot } from "./snapshot-runs.ts";
import { type Shown, shownBySnapshot, shownOnDisk } from "./snapshot-shown.ts";
import { testSecret } from "./test-repository.ts";

/** The process that dies, and the one that comes after it on the same machine. */
export const deadPid = 1000;
export const nextHost = hostOf(2000, (pid) => pid === deadPid);

export interface Survivors {
  readonly place: Place;
  readonly store: Store;
  readonly history: History;
  /** What the act that died was about to show. */
  readonly pending: Shown;
  /** Whether the cache of the dead process is used, or there is none. */
  readonly cache: string;
  readonly secrets?: readonly Secret[] | undefined;
  readonly needsPrune?: boolean | undefined;
}

export async function assertRecovers(survivors: Survivors): Promise<void> {
  const { place } = survivors;
  const repo = await openWithAny(survivors);
  try {
    if (survivors.needsPrune === true) await pruneAll(repo);
    await assertWhole(repo, survivors);
    await takeSnapshot(repo, place.root);
    await pruneAll(repo);
    await assertWhole(repo, survivors);
    await pruneAll(repo);
    await assertTidy(repo);
  } finally {
    await repo.close();
  }
  const stranger = await openWithAny({ ...survivors, cache: `${survivors.cache}-stranger` });
  await assertWhole(stranger, survivors);
  await stranger.close();
}

async function openWithAny({ secrets, ...rest }: Survivors): Promise<Repository> {
  const { place, store, cache } = rest;
  for (const secret of secrets ?? [testSecret]) {
    try {
      return await place.open({ store, cache, secret, host: nextHost });
    } catch (error) {
      if (!hasCode(error, "password-wrong")) throw error;
    }
  }
  assert.fail("no secret opens the repository");
}

async function assertWhole(repo: Repository, { place, history, pending }: Survivors) {
  const report = await checkRepository(repo, { threads: 1 });
  assert.deepEqual(report.damage, []);
  assert.ok(report.isClean);
  await repo.loadIndex();
  const records = await repo.snapshots();
  const listed = new Set(records.map(({ id }) => id));
  for (const id of history.shown.keys()) {
    assert.ok(listed.has(id) || history.doomed.has(id), `snapshot ${id.slice(0, 8)} is gone`);
  }
  for (const record of records) {
    const shown = await shownBySnapshot(repo, record, place.root);
    assert.deepEqual(shown, history.shown.get(record.id) ?? pending);
  }
}

/** Every pack counts, every tombstone is swept, and nobody seems to be at work. */
export async function assertTidy(repo: Repository): Promise<void> {
  await repo.loadIndex();
  assert.deepEqual(await namesIn(repo.store, "sessions"), [], "leases are left");
  const unswept = (await listTombstones(repo)).filter(({ tombstone }) => !tombstone.swept);
  assert.deepEqual(unswept, [], "tombstones are not swept");
  const stored = (await namesIn(repo.store, "packs")).map((name) => name.slice(-64)).sort();
  const living = [...repo.index.livingPacks()].map(({ pack }) => pack as string).sort();
  assert.deepEqual(stored, living, "packs that do not count are left");
}

/** What the source shows now; the act has not changed it. */
export function pendingOf(place: Place): Shown {
  return shownOnDisk(place.root);
}
