/** What servers and networks do wrong, on purpose, and what the store makes of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { S3Store, S3StoreOptions } from "../../../src/repo/store/s3/s3-store.ts";
import { s3Store, useCredentials } from "../../helpers/s3-place.ts";
import { type Before, type SeenRequest, SmallS3 } from "../../helpers/s3-server.ts";
import { S3Refusal } from "../../helpers/s3-signature.ts";
import { coded, listAll, patternBytes } from "../../helpers/store-data.ts";

useCredentials();
const mebibyte = 2 ** 20;

async function withStore(
  work: (store: S3Store, server: SmallS3) => Promise<void>,
  parameters = "",
  options?: S3StoreOptions,
): Promise<void> {
  const server = await SmallS3.start({ pageMax: 7 });
  server.bucket("b1b");
  const store = s3Store(`s3://b1b/p?endpoint=${server.endpoint}${parameters}`, options);
  try {
    await work(store, server);
  } finally {
    await store.close();
    await server.stop();
  }
}

/** Does this to the first `times` requests that fit. */
function first(times: number, method: string, what: Before): Before {
  let left = times;
  return (seen) => (seen.method === method && left-- > 0 ? what(seen) : undefined);
}

const refuse =
  (status: number, code: string): Before =>
  () => {
    throw new S3Refusal(status, code);
  };
const reset: Before = ({ request }) => {
  request.socket.destroy();
  return "handled";
};
/** An answer that promises more than comes. */
const half: Before = ({ response }) => {
  response.writeHead(200, { "content-length": 1000 });
  response.write(Buffer.alloc(10), () => response.destroy());
  return "handled";
};
const stallBefore: Before = () => "handled";
const stallAmid: Before = ({ response }) => {
  response.writeHead(200, { "content-length": 1000 });
  response.write(Buffer.alloc(10));
  return "handled";
};

test("what passes is tried again, whatever the call", async () => {
  const faults: [string, Before][] = [
    ["500", refuse(500, "InternalError")],
    ["503", refuse(503, "SlowDown")],
    ["408", refuse(408, "RequestTimeout")],
    ["400", refuse(400, "BadDigest")],
    ["417", refuse(417, "ExpectationFailed")],
    ["reset", reset],
    ["half an answer", half],
    ["no answer", stallBefore],
    ["half an answer, then nothing", stallAmid],
  ];
  await Promise.all(
    faults.map(([title, fault]) =>
      withStore(async (store, server) => {
        const data = patternBytes(1000);
        server.before = first(2, "PUT", fault);
        await store.put("index/a", data);
        server.before = first(2, "GET", fault);
        assert.deepEqual(await store.get("index/a"), data, title);
        server.before = first(2, "GET", fault);
        assert.deepEqual(await store.getRange("index/a", 5, 10), data.slice(5, 15), title);
        server.before = first(1, "GET", fault);
        assert.equal((await listAll(store, "index")).length, 1, title);
        server.before = first(2, "DELETE", fault);
        await store.delete("index/a");
        server.before = undefined;
        await assert.rejects(store.size("index/a"), coded("object-absent"), title);
      }, "&stall-seconds=1"),
    ),
  );
});

test("a range that was cut, and ended as if it were whole, is read again", () =>
  withStore(async (store, server) => {
    const data = patternBytes(1000);
    await store.put("packs/a", data);
    server.before = first(1, "GET", ({ response }) => {
      response.writeHead(206, { "content-range": "bytes 100-599/1000" });
      response.end(data.subarray(100, 300));
      return "handled";
    });
    assert.deepEqual(await store.getRange("packs/a", 100, 500), data.slice(100, 600));
  }));

test("what does not pass is not tried again", () =>
  withStore(async (store, server) => {
    await store.put("index/a", patternBytes(10));
    for (const [status, code, expected] of [
      [403, "AccessDenied", "store-denied"],
      [403, "ExpiredToken", "store-credentials"],
      [403, "SignatureDoesNotMatch", "store-credentials"],
      [404, "NoSuchBucket", "store-absent"],
      [301, "PermanentRedirect", "store-unreachable"],
      [400, "InvalidStorageClass", "store-unreachable"],
      [507, "QuotaExceeded", "store-full"],
      [501, "NotImplemented", "store-unreachable"],
      [403, "InvalidObjectState", "object-archived"],
    ] as const) {
      let count = 0;
      server.before = () => {
        count++;
        throw new S3Refusal(status, code);
      };
      await assert.rejects(store.get("index/a"), coded(expected), code);
      assert.equal(count, 1, code);
      await assert.rejects(store.put("index/a", patternBytes(10)), coded(expected), code);
    }
  }));

test("the budget ends it, and a signal ends it at once", () =>
  withStore(async (store, server) => {
    await store.put("index/a", patternBytes(10));
    server.before = refuse(500, "InternalError");
    const start = performance.now();
    await assert.rejects(store.get("index/a"), coded("store-unreachable"));
    const took = performance.now() - start;
    assert.ok(took < 20_000, `${took} ms`);
    const controller = new AbortController();
    server.before = (seen) => {
      if (seen.method === "PUT") controller.abort(new Error("enough"));
      return "handled";
    };
    const { signal } = controller;
    await assert.rejects(store.put("index/a", patternBytes(10), { signal }), /enough/);
  }, "&retry-seconds=1"));

/** Of each wait that may be, the half: 1.55 s in a budget of 3, 0.15 s in a tenth of it. */
const halfWaits = { random: (count: number) => new Uint8Array(count).fill(128) };

test("once given up, a store is given less time until it answers", () =>
  withStore(
    async (store, server) => {
      const timed = async () => {
        const start = performance.now();
        await assert.rejects(store.get("index/a"), coded("store-unreachable"));
        return performance.now() - start;
      };
      await store.put("index/a", patternBytes(10));
      server.before = refuse(500, "InternalError");
      const [first, second] = [await timed(), await timed()];
      assert.ok(first > 1000, `${first} ms at first`);
      assert.ok(second < first / 2, `${second} ms then`);
      server.before = undefined;
      await store.get("index/a");
      server.before = refuse(500, "InternalError");
      const third = await timed();
      assert.ok(third > 1000, `${third} ms again`);
    },
    "&retry-seconds=3",
    halfWaits,
  ));

test("damage on the way is read again, and told from damage in the store", () =>
  withStore(async (store, server) => {
    const data = patternBytes(1000);
    await store.put("index/a", data);
    const { crc32 = "" } = server.bucket("b1b").get("p/index/a");
    server.before = first(1, "GET", ({ response }) => {
      response.writeHead(200, { "content-length": 1000, "x-amz-checksum-crc32": crc32 });
      response.end(Buffer.alloc(1000));
      return "handled";
    });
    assert.deepEqual(await store.get("index/a"), data);
  }));

test("what is sent has a checksum, and is refused when it comes otherwise", () =>
  withStore(async (store, server) => {
    const sums: unknown[] = [];
    server.before = ({ method, headers, payload }) => {
      if (method !== "PUT") return undefined;
      sums.push(headers["x-amz-checksum-crc32"]);
      if (sums.length === 1) payload[5] = (payload[5] ?? 0) ^ 1;
      return undefined;
    };
    await store.put("index/a", patternBytes(1000));
    assert.equal(sums.length, 2, "sent again");
    assert.match(String(sums[0]), /^[\w+/]{6}==$/);
    assert.deepEqual(await store.get("index/a"), patternBytes(1000));
  }));

test("an answer longer than any object is not taken in", () =>
  withStore(async (store, server) => {
    await store.put("index/a", patternBytes(10));
    server.before = ({ response, method }) => {
      if (method !== "GET") return undefined;
      response.writeHead(200, { "content-length": 2 ** 40 });
      response.write("x");
      return "handled";
    };
    await assert.rejects(store.get("index/a"), coded("object-damaged"));
  }));

test("memory that is given is used", () =>
  withStore(async (store) => {
    const data = patternBytes(5000);
    await store.put("packs/aa/a", data);
    const into = new ArrayBuffer(8000);
    const part = await store.getRange("packs/aa/a", 1000, 3000, { into });
    assert.equal(part.buffer, into);
    assert.deepEqual(part, data.slice(1000, 4000));
    const whole = await store.get("packs/aa/a", { into });
    assert.equal(whole.buffer, into);
    assert.deepEqual(whole, data);
    const small = await store.get("packs/aa/a", { into: new ArrayBuffer(10) });
    assert.deepEqual(small, data);
  }));

const isPart = (seen: SeenRequest, number: number) =>
  seen.query.get("partNumber") === String(number);

test("of a large object only the part that failed is sent again", () =>
  withStore(async (store, server) => {
    const data = patternBytes(40 * mebibyte);
    let failed = 0;
    server.before = (seen) => {
      if (!isPart(seen, 2) || failed++ > 0) return undefined;
      return reset(seen);
    };
    await store.put("packs/aa/a", data);
    assert.equal(Buffer.compare(await store.get("packs/aa/a"), data), 0);
    assert.equal(server.log.filter((line) => line.startsWith("PUT")).length, 3);
    assert.equal(failed, 2);
  }));

test("an upload that fails, or is aborted, is taken back", () =>
  withStore(async (store, server) => {
    const data = patternBytes(40 * mebibyte);
    server.before = (seen) => {
      if (isPart(seen, 2)) throw new S3Refusal(403, "AccessDenied");
      return undefined;
    };
    await assert.rejects(store.put("packs/aa/a", data), coded("store-denied"));
    assert.equal(server.bucket("b1b").uploads.size, 0);
    const controller = new AbortController();
    server.before = (seen) => {
      if (isPart(seen, 2)) controller.abort(new Error("enough"));
      return undefined;
    };
    const { signal } = controller;
    await assert.rejects(store.put("packs/aa/a", data, { signal }), /enough/);
    assert.equal(server.bucket("b1b").uploads.size, 0);
    assert.equal(server.bucket("b1b").objects.size, 0);
  }));

test("when the answer to the last step is lost, the object is sent anew", () =>
  withStore(async (store, server) => {
    const data = patternBytes(33 * mebibyte);
    let completions = 0;
    server.before = (seen) => {
      if (seen.method !== "POST" || !seen.query.has("uploadId")) return undefined;
      if (completions++ > 0) return undefined;
      // Done, but told to nobody.
      const [upload] = server.bucket("b1b").uploads.values();
      if (upload === undefined) throw new Error("there is no upload");
      const parts = [...upload.parts.entries()].sort(([a], [b]) => a - b);
      server.bucket("b1b").complete(
        upload,
        parts.map(([number, { etag }]) => [number, etag] as const),
      );
      return reset(seen);
    };
    await store.put("packs/aa/a", data);
    assert.equal(Buffer.compare(await store.get("packs/aa/a"), data), 0);
    assert.equal(server.bucket("b1b").uploads.size, 0);
    assert.equal(completions, 3);
  }));

test("uploads that crashes left are swept, when they are old and ours", () =>
  withStore(async (store, server) => {
    const bucket = server.bucket("b1b");
    bucket.startUpload("p/packs/aa/a", {});
    bucket.startUpload("other/packs/aa/a", {});
    assert.equal(await store.sweepTemporary(3600_000), 0);
    assert.equal(bucket.uploads.size, 2);
    assert.equal(await store.sweepTemporary(-60_000), 1);
    assert.deepEqual(
      [...bucket.uploads.values()].map(({ key }) => key),
      ["other/packs/aa/a"],
    );
    bucket.startUpload("p/packs/aa/a", {});
    server.before = first(9, "DELETE", refuse(403, "AccessDenied"));
    assert.equal(await store.sweepTemporary(-60_000), 0);
    server.before = first(9, "GET", refuse(501, "NotImplemented"));
    assert.equal(await store.sweepTemporary(-60_000), 0);
  }));

test("many deletes are few requests, and each is said where that is refused", () =>
  withStore(async (store, server) => {
    const names = Array.from({ length: 1500 }, (_, at) => `index/${at}`);
    const fill = () => {
      for (const name of names) server.bucket("b1b").put(`p/${name}`, Buffer.alloc(1), {});
    };
    fill();
    await store.deleteMany([...names, "index/absent"]);
    assert.equal(server.bucket("b1b").objects.size, 0);
    assert.equal(server.log.length, 2);
    fill();
    server.before = first(9, "POST", refuse(501, "NotImplemented"));
    await store.deleteMany(names.slice(0, 30));
    assert.equal(server.bucket("b1b").objects.size, names.length - 30);
    server.before = undefined;
    const locked = { "x-amz-object-lock-retain-until-date": "2999-01-01T00:00:00Z" };
    server.bucket("b1b").put("p/index/40", Buffer.alloc(1), locked);
    await assert.rejects(store.deleteMany(names.slice(30)), coded("store-denied"));
    assert.deepEqual([...server.bucket("b1b").objects.keys()], ["p/index/40"]);
    await assert.rejects(store.deleteMany(["../a"]), coded("internal"));
  }));
