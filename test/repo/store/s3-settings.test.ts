/** What the parameters of an s3:// URL change in what is sent, and how fast. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { S3Store } from "../../../src/repo/store/s3/s3-store.ts";
import { s3Store, useCredentials } from "../../helpers/s3-place.ts";
import { type S3ServerOptions, SmallS3 } from "../../helpers/s3-server.ts";
import { coded, listAll, patternBytes } from "../../helpers/store-data.ts";

useCredentials();

async function withStore(
  parameters: string,
  work: (store: S3Store, server: SmallS3) => Promise<void>,
  options: S3ServerOptions = {},
): Promise<void> {
  const server = await SmallS3.start(options);
  server.bucket("b1b");
  const store = s3Store(`s3://b1b/p?endpoint=${server.endpoint}${parameters}`);
  try {
    await work(store, server);
  } finally {
    await store.close();
    await server.stop();
  }
}

test("packs alone have the storage class; leases alone are not locked; all are encrypted", () =>
  withStore(
    "&storage-class=GLACIER_IR&object-lock=governance&object-lock-days=3&sse-kms-key-id=k-1",
    async (store, server) => {
      const large = patternBytes(33 * 2 ** 20);
      await store.put("packs/aa/large", large);
      for (const name of ["packs/aa/a", "index/a", "sessions/a"]) {
        await store.put(name, patternBytes(10));
      }
      const kept = (name: string) => {
        const { kept: headers } = server.bucket("b1b").get(`p/${name}`);
        const until = Date.parse(headers["x-amz-object-lock-retain-until-date"] ?? "");
        const days = Math.round((until - Date.now()) / 86_400_000);
        assert.equal(headers["x-amz-server-side-encryption"], "aws:kms");
        assert.equal(headers["x-amz-server-side-encryption-aws-kms-key-id"], "k-1");
        return [headers["x-amz-storage-class"], headers["x-amz-object-lock-mode"], days];
      };
      assert.deepEqual(kept("packs/aa/large"), ["GLACIER_IR", "GOVERNANCE", 3]);
      assert.deepEqual(kept("packs/aa/a"), ["GLACIER_IR", "GOVERNANCE", 3]);
      assert.deepEqual(kept("index/a"), [undefined, "GOVERNANCE", 3]);
      assert.deepEqual(kept("sessions/a"), [undefined, undefined, Number.NaN]);
    },
  ));

test("without parameters nothing is asked for", () =>
  withStore("", async (store, server) => {
    await store.put("packs/aa/a", patternBytes(10));
    assert.deepEqual(server.bucket("b1b").get("p/packs/aa/a").kept, {});
  }));

test("no more requests than allowed are under way, and small ones have their own place", () =>
  withStore("&requests=2", async (store, server) => {
    let underWay = 0;
    let most = 0;
    const [two, sawTwo] = gate();
    const [free, release] = gate();
    server.before = async ({ method, payload }) => {
      if (method !== "PUT" || payload.length < 1000) return undefined;
      most = Math.max(most, ++underWay);
      if (underWay === 2) sawTwo();
      await free;
      underWay--;
      return undefined;
    };
    const data = patternBytes(300_000);
    const puts = [1, 2, 3, 4, 5].map((no) => store.put(`packs/aa/${no}`, data));
    await two;
    await store.put("sessions/a", patternBytes(10));
    release();
    await Promise.all(puts);
    assert.equal(most, 2);
  }));

function gate(): [Promise<void>, () => void] {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [opened, open];
}

test("bytes a second are kept to in both directions, without being taken for a stall", () =>
  withStore("&limit-upload=50K&limit-download=50K&stall-seconds=1", async (store) => {
    const data = patternBytes(100_000);
    const timed = async (work: () => Promise<unknown>) => {
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    const up = await timed(() => store.put("packs/aa/a", data));
    assert.ok(up > 1500, `${up} ms up`);
    const down = await timed(async () => assert.deepEqual(await store.get("packs/aa/a"), data));
    assert.ok(down > 1500, `${down} ms down`);
    // Together they have what one has.
    const both = await timed(() =>
      Promise.all([0, 1].map((at) => store.getRange("packs/aa/a", at * 50_000, 50_000))),
    );
    assert.ok(both > 1500, `${both} ms for two`);
  }));

test("a clock that is wrong is corrected by the server's", async () => {
  const hour = 3600_000;
  await withStore(
    "",
    async (store) => {
      await store.put("index/a", patternBytes(10));
      assert.deepEqual(await store.get("index/a"), patternBytes(10));
    },
    { nowMs: () => Date.now() + 2 * hour },
  );
});

test("lists of many pages, and what is not ours in them", () =>
  withStore(
    "",
    async (store, server) => {
      const bucket = server.bucket("b1b");
      for (let at = 0; at < 50; at++) bucket.put(`p/index/${at}`, Buffer.alloc(at), {});
      for (const key of ["p/index/", "p/index/UPPER", "p/index2/a", "q/index/a", "index/a"]) {
        bucket.put(key, Buffer.alloc(3), {});
      }
      const listed = await listAll(store, "index");
      assert.equal(listed.length, 50);
      assert.ok(listed.every(({ name, size }) => name === `index/${size}`));
    },
    { pageMax: 7 },
  ));

test("certificates that cannot be read are told before anything is tried", async () => {
  const store = s3Store("s3://b1b/p?endpoint=https://127.0.0.1:1&ca=/no/such/file.pem");
  await assert.rejects(store.get("varve.json"), coded("usage"));
  await store.close();
});

test("nothing is open when a store is closed", () =>
  withStore("", async (_, server) => {
    const store = s3Store(`s3://b1b/q?endpoint=${server.endpoint}`);
    const sockets = new Set<Socket>();
    server.before = ({ request }) => {
      sockets.add(request.socket);
      return undefined;
    };
    await Promise.all([1, 2, 3].map((no) => store.put(`index/${no}`, patternBytes(10))));
    await store.close();
    assert.ok(sockets.size > 0);
    // Sooner than connections at rest are closed anyway.
    const signal = AbortSignal.timeout(2000);
    for (const socket of sockets) if (!socket.destroyed) await once(socket, "close", { signal });
  }));
