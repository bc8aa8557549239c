/** Index objects: written while a run goes on, and joined without losing a record. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { syntheticPack } from "../../bench/scale/many-blobs.ts";
import { indexId, toHex, tombstoneId } from "../../src/base/ids.ts";
import { packBlobsFull } from "../../src/repo/blob-codec.ts";
import { withBlobWriter } from "../../src/repo/blob-writer.ts";
import { type EncodedPack, encodePack } from "../../src/repo/format/index-object.ts";
import { Encoding } from "../../src/repo/format/pack-table.ts";
import { mergeIndexObjects, writeIndexObject } from "../../src/repo/index-writer.ts";
import { objectHash, openIndexObject, sealTombstone } from "../../src/repo/objects.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { namesIn } from "../helpers/snapshot-runs.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

/** All of a record, in a form that is quick to compare. */
const shown = ({ wrap, table, ...pack }: EncodedPack) => ({
  ...pack,
  wrap: toHex(wrap),
  table: objectHash(table),
});
type Shown = ReturnType<typeof shown>;

/** A record of a full pack of tiny blobs. */
function tinyBlobs(): EncodedPack {
  const pack = syntheticPack(packBlobsFull);
  const blobs = pack.blobs.map((blob, i) => {
    return { ...blob, encoding: Encoding.raw, rawLength: 4, length: 20, offset: 84 + 20 * i };
  });
  return encodePack({ ...pack, blobs, size: 84 + 80 * packBlobsFull });
}

/** Of each index object: what it replaces, and its packs. */
async function indexObjects(repo: Repository) {
  const objects: { replaces: readonly string[]; packs: Shown[] }[] = [];
  for (const name of await namesIn(repo.store, "index")) {
    const id = indexId(name.slice("index/".length));
    const { replaces, packs } = openIndexObject(repo.keys, id, await repo.store.get(name));
    objects.push({ replaces, packs: [...packs].map((pack) => shown(encodePack(pack))) });
  }
  return objects;
}

const byPack = (a: Shown, b: Shown) => (a.pack < b.pack ? -1 : 1);

test("joined objects name each pack of their parts once, as it was, but for the dead", () =>
  withFolder(async (folder) => {
    const repo = await makeRepository(folder);
    const packs = Array.from({ length: 40 }, (_, i) => encodePack(syntheticPack(i + 1)));
    const parts: string[] = [];
    // Each pack is named twice: by two objects that follow each other.
    for (let at = 0; at < 40; at += 4) {
      const some = [...packs, ...packs].slice(at, at + 8);
      parts.push(await writeIndexObject(repo, some, []));
    }
    const [dead] = packs.slice(17);
    assert.ok(dead !== undefined);
    const id = tombstoneId("ab".repeat(16));
    const content = { swept: false, replaces: [], packs: [dead.pack], sessions: [] };
    await repo.store.put(`tombstones/${id}`, sealTombstone(repo.keys, id, content, repo.random));
    await repo.loadIndex();
    assert.equal(await mergeIndexObjects(repo), 1);
    const [merged, ...others] = await indexObjects(repo);
    assert.ok(merged !== undefined);
    assert.deepEqual(others, []);
    assert.deepEqual([...merged.replaces].sort(), parts.sort());
    const expected = packs
      .filter((pack) => pack !== dead)
      .map(shown)
      .sort(byPack);
    assert.deepEqual(merged.packs.sort(byPack), expected);
    await repo.close();
  }));

test("very many blobs are in index objects before the run has ended", () =>
  withFolder(async (folder) => {
    const repo = await makeRepository(folder);
    const session = await Session.begin(repo, "test");
    const packs = Array.from({ length: 14 }, tinyBlobs);
    await withBlobWriter(repo, session, async (writer) => {
      for (const pack of packs) await writer.addPack({ pack, bytes: new Uint8Array(9) });
      const [first, ...more] = await indexObjects(repo);
      assert.deepEqual(more, []);
      assert.equal(first?.packs.length, 13);
    });
    const named = (await indexObjects(repo)).flatMap((object) => object.packs);
    assert.deepEqual(named.sort(byPack), packs.map(shown).sort(byPack));
    await session.end();
    await repo.close();
  }));
