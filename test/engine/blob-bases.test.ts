/** Blobs that stand on a base (encoding 2): whoever needs the blob needs the base. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { markSnapshots } from "../../src/engine/mark.ts";
import { prune } from "../../src/engine/prune.ts";
import { repairPacks } from "../../src/engine/repair-packs.ts";
import { dyingPacks, rescueBlobs } from "../../src/engine/rescue.ts";
import { withBlobWriter } from "../../src/repo/blob-writer.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { buryPacks } from "../../src/repo/tombstones.ts";
import { damageBlobs, idOf, livingPacks, storePack } from "../helpers/pack-copies.ts";
import { noise, plainTree, readTree, storeTree, type Tree } from "../helpers/small-repository.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

interface Place {
  readonly folder: string;
  readonly store: MemoryStore;
}

const base = noise(20_000, 1);
const changed = [1, 2].map((n) => Buffer.concat([base, Buffer.from(`change ${n}`)]));
const tree: Tree = { home: null, "home/one": [changed[0] ?? ""], "home/two": [changed[1] ?? ""] };
const pruneAll = (repo: Repository) => prune(repo, { maxUnused: { kind: "bytes", bytes: 0 } });

/** With `store`, and nothing that earlier runs saw. */
async function fresh<T>(
  { folder, store }: { folder: string; store: MemoryStore | FaultStore },
  use: (repo: Repository) => Promise<T>,
): Promise<T> {
  const repo = await reopenRepository(folder, { store, freshCache: true });
  try {
    await repo.loadIndex();
    return await use(repo);
  } finally {
    await repo.close();
  }
}

/** A snapshot of two files whose chunks stand on a base that no file names. */
async function withBase(use: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store, packBytes: 64 * 1024 });
    // Beside the base lies what nobody needs: a prune moves the base.
    await storePack(repo, [{ plaintext: noise(9000, 50) }, { plaintext: base }]);
    await storePack(
      repo,
      changed.map((plaintext) => ({ plaintext, base })),
    );
    await storeTree(repo, tree);
    const [one] = changed;
    const { encoding } = repo.index.find(BlobKind.data, idOf(repo, one ?? "")) ?? {};
    assert.equal(encoding, Encoding.zstdOnBase, "nothing was stored again");
    await repo.close();
    await use({ folder, store });
  });
}

const packOf = (repo: Repository, plaintext: Uint8Array) => {
  const place = repo.index.find(BlobKind.data, idOf(repo, plaintext));
  assert.ok(place !== undefined);
  return repo.index.packInfo(place.packNo).pack;
};

const assertReads = (place: Place, expected: Tree = tree) =>
  fresh(place, async (repo) => {
    const record = (await repo.snapshots()).at(-1);
    assert.ok(record !== undefined);
    assert.deepEqual(await readTree(repo, record.snapshot.root), plainTree(expected));
  });

const assertClean = async (place: Place) => {
  const { damage } = await fresh(place, (repo) => checkRepository(repo, { readData: true }));
  assert.deepEqual(damage, []);
};

test("a prune keeps and rewrites bases with what stands on them", async () => {
  await withBase(async (place) => {
    const before = await fresh(place, async (repo) => packOf(repo, base));
    await fresh(place, pruneAll);
    assert.notEqual(await fresh(place, async (repo) => packOf(repo, base)), before);
    await assertReads(place);
    await assertClean(place);
  });
});

test("a base that only a dying pack has is rescued with what stands on it", async () => {
  for (const buried of ["base", "both"] as const) {
    await withBase(async (place) => {
      await fresh(place, async (repo) => {
        const packs = [packOf(repo, base)];
        if (buried === "both") packs.push(packOf(repo, changed[0] ?? base));
        await buryPacks(repo, packs);
      });
      const { sweep } = await fresh(place, pruneAll);
      assert.equal(sweep?.deletedPacks, buried === "both" ? 2 : 1);
      await assertReads(place);
      await assertClean(place);
    });
  }
});

test("what stands on a lost base is rescued from a copy that does not", async () => {
  await withBase(async (place) => {
    await fresh(place, async (repo) => {
      const packs = [packOf(repo, base), packOf(repo, changed[0] ?? base)];
      // A third dying pack has both files' chunks as they are; it may be met first or last.
      packs.push(
        await storePack(
          repo,
          changed.map((plaintext) => ({ plaintext })),
        ),
      );
      await place.store.delete(packObject(packs[0] ?? ("" as never)));
      await buryPacks(repo, packs);
    });
    await fresh(place, async (repo) => {
      const session = await Session.begin(repo, "test");
      const dying = await dyingPacks(repo);
      const { copied, failures } = await rescueBlobs(repo, session, await repo.snapshots(), dying);
      await session.end();
      assert.deepEqual([copied, failures], [changed.length, []], "nothing that is of no use");
    });
    await fresh(place, pruneAll);
    await assertReads(place);
    await assertClean(place);
  });
});

test("a damaged copy in one dying pack does not hide a sound one in another", async () => {
  await withBase(async (place) => {
    await fresh(place, async (repo) => {
      const first = packOf(repo, base);
      const second = await storePack(repo, [{ plaintext: base }]);
      await damageBlobs(repo, place.store, first);
      await buryPacks(repo, [first, second]);
    });
    await fresh(place, pruneAll);
    await assertReads(place);
    await assertClean(place);
  });
});

test("a dying pack that is damaged and needed is not deleted", async () => {
  await withBase(async (place) => {
    let isDone = false;
    // Buried behind the prune's back, after its mark.
    const store = new FaultStore(place.store, {
      beforeOperation: async (kind, name) => {
        if (isDone || kind !== "list" || name !== "packs") return;
        isDone = true;
        await fresh(place, async (repo) => {
          const pack = packOf(repo, base);
          await damageBlobs(repo, place.store, pack);
          await buryPacks(repo, [pack]);
        });
      },
    });
    const packs = place.store.names("packs");
    // Nothing is rewritten, so that only the sweep meets the damage.
    const keepAll = (repo: Repository) => prune(repo, { maxUnused: { kind: "unlimited" } });
    await assert.rejects(fresh({ ...place, store }, keepAll), { code: "blob-damaged" });
    for (const name of packs) assert.ok(place.store.names("packs").includes(name));
  });
});

test("a blob is a base only in a copy that stands on nothing itself", async () => {
  await withBase(async (place) => {
    // The base's oldest copy now seems to be one that stands on yet another blob.
    const ground = noise(20_000, 3);
    const onGround = Buffer.concat([ground, Buffer.from("and more")]);
    const top = Buffer.concat([onGround, Buffer.from("and even more")]);
    const high: Tree = { home: null, "home/top": [top], "home/on": [onGround] };
    await fresh(place, async (repo) => {
      await storePack(repo, [{ plaintext: ground }]);
      await storePack(repo, [{ plaintext: onGround, base: ground }]);
      await storePack(repo, [{ plaintext: onGround }]);
      await storePack(repo, [{ plaintext: top, base: onGround }]);
      await storeTree(repo, high, { timeNs: 1_800_000_000_000_000_000n });
    });
    await assertReads(place, high);
    await fresh(place, pruneAll);
    await assertReads(place, high);
    await assertClean(place);
  });
});

test("a catalog node that is a base is walked all the same", async () => {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store });
    const files: Record<string, string[] | null> = { home: null };
    for (let at = 100; at < 110; at++) files[`home/${at}`] = [`content ${at}`];
    await storeTree(repo, files);
    const [first] = await repo.snapshots();
    assert.ok(first !== undefined);
    // An older snapshot's root is the base of a newer one's, which names other files.
    const plaintext = await repo.blobs.read(BlobKind.catalog, first.snapshot.root);
    const { "home/100": _, ...rest } = files;
    const newer: Tree = { ...rest, "home/zzz": ["new"] };
    const scratch = new MemoryStore();
    const other = await store.get("varve.json");
    await scratch.put("varve.json", other);
    for (const name of store.names("keys")) await scratch.put(name, await store.get(name));
    const draft = await reopenRepository(folder, { store: scratch, freshCache: true });
    await storeTree(draft, newer);
    const [second] = await draft.snapshots();
    assert.ok(second !== undefined);
    const node = await draft.blobs.read(BlobKind.catalog, second.snapshot.root);
    await draft.close();
    await storePack(repo, [{ kind: BlobKind.catalog, plaintext: node, base: plaintext }]);
    await storeTree(repo, newer, { timeNs: 1_800_000_000_000_000_000n });
    const used = await markSnapshots(repo, await repo.snapshots(), {
      onAbsent: () => assert.fail(),
    });
    // Both roots, and every chunk of both.
    assert.equal(used.blobs, 2 + 11);
    await pruneAll(repo);
    for (const [at, { snapshot }] of (await repo.snapshots()).entries()) {
      assert.deepEqual(await readTree(repo, snapshot.root), plainTree(at === 0 ? files : newer));
    }
    await repo.close();
  });
});

test("a base that is lost is named, not the sound pack of what stands on it", async () => {
  for (const how of ["absent", "buried", "damaged"] as const) {
    await withBase(async (place) => {
      const { store } = place;
      const [hurt, sound] = await fresh(place, async (repo) => {
        const packs = [packOf(repo, base), packOf(repo, changed[0] ?? base)] as const;
        if (how === "damaged") await damageBlobs(repo, store, packs[0]);
        else await store.delete(packObject(packs[0]));
        if (how === "buried") await buryPacks(repo, [packs[0]]);
        return packs;
      });
      const report = await fresh(place, (repo) => checkRepository(repo, { readData: true }));
      const id = await fresh(place, async (repo) => toHex(idOf(repo, base)));
      const expected = how === "buried" ? ["blob", id] : ["pack", packObject(hurt)];
      assert.deepEqual(
        report.damage.map(({ kind, object }) => [kind, object]),
        [expected],
      );
      assert.deepEqual(
        report.damage[0]?.paths.map(({ path }) => path),
        ["/home/one", "/home/two"] as RawPath[],
      );
      const done = await fresh(place, (repo) => repairPacks(repo, { packs: [hurt] }));
      assert.deepEqual(
        done.map(({ pack }) => pack),
        how === "buried" ? [] : [hurt],
      );
      // The sound pack waits for its base, which the next snapshot brings.
      await fresh(place, async (repo) => {
        assert.ok(livingPacks(repo).includes(sound));
        await storePack(repo, [{ plaintext: base }]);
      });
      await assertReads(place);
      await assertClean(place);
    });
  }
});

test("repair packs: a copy that is lost with its base is no other copy", async () => {
  await withBase(async (place) => {
    const { store } = place;
    await fresh(place, async (repo) => {
      const lost = packOf(repo, base);
      // The same chunks as they are, beside one that is damaged.
      const plain = changed.map((plaintext) => ({ plaintext }));
      const pack = await storePack(repo, [{ plaintext: noise(500, 60) }, ...plain]);
      await damageBlobs(repo, store, pack, [0]);
      await damageBlobs(repo, store, lost);
      const done = await repairPacks(repo, { packs: [pack, lost] });
      const saved = new Map(done.map((one) => [one.pack, one.saved]));
      assert.deepEqual([saved.get(pack), saved.get(lost)], [changed.length, 0]);
    });
    await assertReads(place);
    await assertClean(place);
  });
});

test("a snapshot stores anew what stands on a base that is lost", async () => {
  await withBase(async (place) => {
    await fresh(place, async (repo) => {
      const pack = packOf(repo, base);
      await place.store.delete(packObject(pack));
      await buryPacks(repo, [pack]);
    });
    await fresh(place, (repo) => storeTree(repo, tree, { timeNs: 1_800_000_000_000_000_000n }));
    await assertReads(place);
    await assertClean(place);
    await fresh(place, pruneAll);
    await assertReads(place);
    await assertClean(place);
  });
});

test("a blob in a sound pack that is not what its id says is damage of that pack", async () => {
  await withBase(async (place) => {
    const pack = await fresh(place, async (repo) => {
      const [one] = changed;
      // A writer with a fault: the base that it names is not the one that it used.
      const session = await Session.begin(repo, "test");
      const sealer = repo.newSealer();
      const wrong = {
        id: idOf(repo, base),
        plaintext: noise(20_000, 1).reverse(),
        generation: 1,
      };
      const text = Buffer.from("some text that compresses ".repeat(50));
      sealer.append(BlobKind.data, idOf(repo, one ?? ""), text, wrong);
      const finished = sealer.finish();
      await withBlobWriter(repo, session, (writer) => writer.addPack(finished));
      await session.end();
      return finished.pack.pack;
    });
    const { damage, hurtSnapshots } = await fresh(place, (repo) =>
      checkRepository(repo, { readData: true }),
    );
    assert.deepEqual(
      damage.map(({ object }) => object),
      [packObject(pack)],
    );
    assert.deepEqual(hurtSnapshots, [], "the other copy is sound");
  });
});
