import assert from "node:assert/strict";
import { test } from "node:test";
import { blake3 as wasmBlake3 } from "hash-wasm";
import { toHex } from "../../../src/base/ids.ts";
import { deriveKeys, idsRootOf } from "../../../src/repo/crypto/keys.ts";

const master = Uint8Array.from({ length: 32 }, (_, i) => i);
const chunkerSecret = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);

/** The derivation as docs/format.md tells it, made anew. */
async function child(key: Uint8Array, context: string): Promise<Uint8Array> {
  return Buffer.from(await wasmBlake3(context, 256, key), "hex");
}

test("every key is what the format says", async () => {
  const keys = deriveKeys({ master, chunkerSecret });
  const ids = await child(master, "varve v1 ids");
  const index = await child(master, "varve v1 index");
  const expected = {
    dataId: await child(ids, "varve v1 id data"),
    catalogId: await child(ids, "varve v1 id catalog"),
    listId: await child(ids, "varve v1 id list"),
    indexObject: await child(index, "varve v1 index object"),
    session: await child(index, "varve v1 index session"),
    tombstone: await child(index, "varve v1 index tombstone"),
    fence: await child(index, "varve v1 index fence"),
    packWrap: await child(master, "varve v1 pack wrap"),
    snapshot: await child(master, "varve v1 snapshot"),
    description: await child(master, "varve v1 description"),
    slotInfo: await child(master, "varve v1 slot info"),
  };
  for (const [name, key] of Object.entries(expected)) {
    assert.equal(toHex(keys[name as keyof typeof expected]), toHex(key), name);
  }
  const all = [...Object.values(expected), ids, index, master, chunkerSecret].map(toHex);
  assert.equal(new Set(all).size, all.length);
});

test("gear material and cut seed come from the chunker secret alone", async () => {
  const keys = deriveKeys({ master, chunkerSecret });
  assert.equal(keys.gearMaterial.length, 2048);
  for (const part of [0, 9, 63]) {
    const expected = await child(chunkerSecret, `varve v1 gear ${part}`);
    assert.equal(toHex(keys.gearMaterial.subarray(part * 32, part * 32 + 32)), toHex(expected));
  }
  const cut = await child(chunkerSecret, "varve v1 catalog cut");
  assert.equal(keys.cutSeed, Buffer.from(cut).readUInt32LE(0));
  const other = deriveKeys({ master: chunkerSecret, chunkerSecret });
  assert.deepEqual(other.gearMaterial, keys.gearMaterial);
  assert.equal(other.cutSeed, keys.cutSeed);
  assert.notDeepEqual(other.dataId, keys.dataId);
});

test("a change of any context would make every repository unreadable", () => {
  const keys = deriveKeys({ master, chunkerSecret });
  assert.equal(
    toHex(keys.dataId),
    "c01b4427ee0443ddff935ecdece68169e0437249b2cb97c150f9f083ef504052",
  );
  assert.equal(keys.cutSeed, 974690413);
});

test("of an ids root that is shared come the keys of ids, and no others", () => {
  const own = { master, chunkerSecret };
  const shared = { master: chunkerSecret, chunkerSecret, idsRoot: idsRootOf(own) };
  const [keys, others] = [deriveKeys(own), deriveKeys(shared)];
  const same = Object.keys(keys).filter(
    (name) => String(others[name as "dataId"]) === String(keys[name as "dataId"]),
  );
  const cuts = ["chunkerSecret", "gearMaterial", "cutSeed"];
  assert.deepEqual(same.sort(), ["dataId", "catalogId", "listId", ...cuts].sort());
});

test("keys can be sent to a worker thread", () => {
  const keys = deriveKeys({ master, chunkerSecret });
  const copy = structuredClone(keys);
  assert.equal(toHex(copy.packWrap), toHex(keys.packWrap));
  assert.equal(toHex(copy.gearMaterial), toHex(keys.gearMaterial));
});
