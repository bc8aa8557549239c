/** What a check of the data says, and remembers, of blobs on bases of other packs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PackId } from "../../src/base/ids.ts";
import { VerifiedPacks } from "../../src/engine/check/verified-packs.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { withBlobWriter } from "../../src/repo/blob-writer.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { buryPacks } from "../../src/repo/tombstones.ts";
import { damageBlobs, idOf, storePack } from "../helpers/pack-copies.ts";
import { noise, storeTree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

const base = noise(20_000, 1);
const changed = [1, 2].map((n) => Buffer.concat([base, Buffer.from(`change ${n}`)]));

type Check = () => Promise<{ readonly isClean: boolean; readonly isRemembered: boolean[] }>;

/** Hands over the packs of a base and of what stands on it, and a check that asks about both. */
async function withPacks(
  use: (
    repo: Repository,
    store: MemoryStore,
    packs: readonly [base: PackId, standing: PackId],
    check: Check,
  ) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store });
    const packs = [
      await storePack(repo, [{ plaintext: base }]),
      await storePack(
        repo,
        changed.map((plaintext) => ({ plaintext, base })),
      ),
    ] as const;
    await storeTree(repo, { home: null, "home/one": [changed[0] ?? ""] });
    const check: Check = async () => {
      const checked = await reopenRepository(folder, { store, freshCache: true });
      const { isClean } = await checkRepository(checked, { readData: true });
      const verified = VerifiedPacks.open(checked.cache.folder, store.url);
      const isRemembered = packs.map((pack) => verified.verifiedMs(pack) !== undefined);
      verified.close();
      await checked.close();
      return { isClean, isRemembered };
    };
    await use(repo, store, packs, check);
    await repo.close();
  });
}

test("what stands on a base of another pack is remembered once both were found right", async () => {
  await withPacks(async (_repo, _store, _packs, check) => {
    assert.deepEqual(await check(), { isClean: true, isRemembered: [true, true] });
  });
});

test("worker threads find what stands on a base, and is not what its id says", async () => {
  await withPacks(async (repo, _store, _packs, check) => {
    // So much is not read without threads.
    for (const seed of [70, 71, 72]) await storePack(repo, [{ plaintext: noise(3_000_000, seed) }]);
    assert.deepEqual(await check(), { isClean: true, isRemembered: [true, true] });
    const session = await Session.begin(repo, "test");
    const sealer = repo.newSealer();
    const text = Buffer.from("some text that compresses ".repeat(50));
    const plaintext = noise(20_000, 1).reverse();
    const wrong = { id: idOf(repo, base), plaintext, generation: 1 };
    sealer.append(BlobKind.data, idOf(repo, changed[0] ?? ""), text, wrong);
    const finished = sealer.finish();
    await withBlobWriter(repo, session, (writer) => writer.addPack(finished));
    await session.end();
    assert.deepEqual(await check(), { isClean: false, isRemembered: [true, true] });
  });
});

test("what stands on a base that is damaged, or gone, is not remembered as verified", async () => {
  for (const how of ["damaged", "gone"] as const) {
    await withPacks(async (repo, store, [pack], check) => {
      if (how === "damaged") await damageBlobs(repo, store, pack);
      else {
        await store.delete(packObject(pack));
        await buryPacks(repo, [pack]);
      }
      assert.deepEqual(await check(), { isClean: false, isRemembered: [false, false] }, how);
      // With a base that is right it is right again.
      await storePack(repo, [{ plaintext: base }]);
      const { isRemembered } = await check();
      assert.deepEqual(isRemembered, [false, true], how);
    });
  }
});
