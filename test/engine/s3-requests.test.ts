/**
 * How many requests the usual work costs on an object store, counted at the server: each takes a
 * round trip, and money. The long form has the sizes of which docs/decisions/0031-s3-requests.md
 * speaks.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { syntheticPack } from "../../bench/scale/many-blobs.ts";
import { keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import { encodePack } from "../../src/repo/format/index-object.ts";
import { writeIndexObject } from "../../src/repo/index-writer.ts";
import { s3Store, useCredentials } from "../helpers/s3-place.ts";
import { SmallS3 } from "../helpers/s3-server.ts";
import { storeTree } from "../helpers/small-repository.ts";
import { type Place, withPlace } from "../helpers/snapshot-place.ts";
import { newest, runsLong, takeSnapshot } from "../helpers/snapshot-runs.ts";

useCredentials();
const filesInFolder = 1000;
const packBytes = 16 * 2 ** 20;

interface Counted {
  readonly place: Place;
  readonly server: SmallS3;
  /** Another process, with this cache. */
  readonly open: (cache?: string) => ReturnType<Place["open"]>;
}

function withServer(work: (counted: Counted) => Promise<void>): Promise<void> {
  return withPlace(
    async (place) => {
      const server = await SmallS3.start();
      server.bucket("b1b");
      const url = `s3://b1b/repo?endpoint=${server.endpoint}&stall-seconds=5&retry-seconds=1`;
      try {
        await (await place.init({ store: s3Store(url) })).close();
        await work({
          place,
          server,
          open: (cache = "cache") => place.open({ store: s3Store(url), cache }),
        });
      } finally {
        await server.stop();
      }
    },
    { packBytes },
  );
}

/** The requests that `work` makes. */
async function requestsOf(server: SmallS3, work: () => Promise<unknown>): Promise<string[]> {
  server.log.length = 0;
  await work();
  return [...server.log];
}

const isReading = (request: string) => /^(GET|HEAD) /.test(request);

test("a snapshot of what did not change is 12 requests, 3 of which write", () =>
  withServer(async ({ place, server, open }) => {
    const files = runsLong ? 100_000 : 10_000;
    for (let at = 0; at < files; at += filesInFolder) {
      fs.mkdirSync(place.at(`${at}`));
      for (let of = at; of < at + filesInFolder; of++)
        fs.writeFileSync(place.at(`${at}/${of}`), "");
    }
    const snapshot = async () => {
      const repo = await open();
      const result = await takeSnapshot(repo, place.root);
      await repo.close();
      return result;
    };
    await snapshot();
    for (let times = 0; times < 2; times++) {
      const requests = await requestsOf(server, async () => {
        const { unchanged, progress } = await snapshot();
        assert.ok(unchanged);
        assert.equal(progress.files, files);
      });
      assert.ok(requests.length <= 12, requests.join("\n"));
      assert.ok(requests.filter((each) => !isReading(each)).length <= 3, requests.join("\n"));
    }
  }));

test("a cache that knows nothing gets the index in parallel", () =>
  withServer(async ({ server, open }) => {
    const repo = await open();
    const objects = 40;
    for (let at = 1; at <= objects; at++) {
      await writeIndexObject(repo, [encodePack(syntheticPack(at))], []);
    }
    await repo.close();
    // Each waits for others: one after the other they would stand still, and the load would fail.
    const together = 8;
    const waiting: (() => void)[] = [];
    let seen = 0;
    server.before = async ({ method, key }) => {
      if (method !== "GET" || !key.includes("/index/")) return undefined;
      seen++;
      const isFull = new Promise<void>((resolve) => waiting.push(resolve));
      if (waiting.length === together) for (const go of waiting.splice(0)) go();
      await isFull;
      return undefined;
    };
    const other = await open("other");
    await other.loadIndex();
    assert.equal(seen, objects);
    await other.close();
  }));

test("one file of a large snapshot is at most 40 requests, besides the index", () =>
  withServer(async ({ place, server, open }) => {
    const repo = await open();
    await storeTree(repo, largeTree(runsLong ? 1_000_000 : 100_000));
    await repo.close();
    const wanted = "/home/user/deep/folder-57/file-57123";
    const target = join(place.folder, "target");
    const requests = await requestsOf(server, async () => {
      const other = await open("other");
      await other.loadIndex();
      const paths = [keyFromPath(wanted as RawPath)];
      const options = { target: target as RawPath, paths, threads: 1 };
      await restoreSnapshot(other, await newest(other), options);
      await other.close();
    });
    assert.equal(fs.readFileSync(join(target, wanted), "utf8"), "content of 57123");
    const besides = requests.filter((each) => !each.includes("/index/"));
    assert.ok(besides.length <= 40, besides.join("\n"));
    assert.ok(besides.length <= (runsLong ? 24 : 20), `more than it was: ${besides.join("\n")}`);
    assert.ok(requests.every(isReading));
  }));

function largeTree(entries: number) {
  const tree: Record<string, readonly string[] | null> = {
    home: null,
    "home/user": null,
    "home/user/deep": null,
  };
  for (let at = 0; at < entries; at += filesInFolder) {
    const folder = `home/user/deep/folder-${at / filesInFolder}`;
    tree[folder] = null;
    for (let of = at; of < at + filesInFolder; of++) {
      tree[`${folder}/file-${of}`] = [`content of ${of}`];
    }
  }
  return tree;
}
