/** The database of a local cache: several openers at once, and a file that is none. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { openCacheDatabase } from "../../../src/repo/cache/cache-database.ts";
import { withFolder } from "../../helpers/test-repository.ts";

/** Opens, all together, one new cache after another, and says whether each could be used. */
const opener = `
const { workerData, parentPort } = require("node:worker_threads");
const { module, folders, turns, openers } = workerData;
import(module).then(({ openCacheDatabase }) => {
  for (const [turn, folder] of folders.entries()) {
    const arrived = Atomics.add(turns, turn, 1) + 1;
    if (arrived === openers) Atomics.notify(turns, turn);
    else Atomics.wait(turns, turn, arrived, 50);
    while (Atomics.load(turns, turn) < openers);
    const db = openCacheDatabase(folder);
    db.prepare("SELECT count(*) FROM pack").get();
    db.close();
  }
  parentPort.postMessage("done");
});`;

test("any number may make one cache at the same moment", async () => {
  await withFolder(async (folder) => {
    const openers = 4;
    const folders = Array.from({ length: 40 }, (_, turn) => join(folder, String(turn)));
    const turns = new Int32Array(new SharedArrayBuffer(4 * folders.length));
    const module = import.meta.resolve("../../../src/repo/cache/cache-database.js");
    const workerData = { module, folders, turns, openers };
    const workers = Array.from(
      { length: openers },
      () => new Worker(opener, { eval: true, workerData }),
    );
    const ends = workers.map(
      (worker) =>
        new Promise<unknown>((resolve, reject) => {
          worker.once("message", resolve).once("error", reject);
        }),
    );
    try {
      assert.deepEqual(await Promise.all(ends), Array(openers).fill("done"));
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });
});

test("a cache that is no database is made anew", async () => {
  await withFolder((folder) => {
    writeFileSync(
      join(folder, "cache.db"),
      "no database, and longer than the header of one".repeat(9),
    );
    const db = openCacheDatabase(folder);
    assert.equal(db.prepare("SELECT count(*) FROM pack").pluck().get(), 0);
    db.close();
    assert.deepEqual(readdirSync(folder), ["cache.db"]);
    return Promise.resolve();
  });
});
