import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStore } from "../../../src/repo/store/memory-store.ts";
import { coded, patternBytes } from "../../helpers/store-data.ts";

test("a fork has the same objects and goes its own way", async () => {
  const first = new MemoryStore();
  await first.put("index/a", patternBytes(10));
  await first.put("varve.json", patternBytes(3));
  const second = first.fork();
  await first.put("index/a", patternBytes(20));
  await second.delete("varve.json");
  assert.deepEqual(await second.get("index/a"), patternBytes(10));
  assert.deepEqual(first.names(), ["index/a", "varve.json"]);
  assert.deepEqual(second.names(), ["index/a"]);
  assert.deepEqual(second.names("packs"), []);
  await assert.rejects(second.get("varve.json"), coded("object-absent"));
});
