/** What every store must do, as tests: called once for each kind of store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import { objectBytesMax, type Store } from "../../src/repo/store/store.ts";
import { coded, listAll, patternBytes } from "./store-data.ts";

export interface MadeStore {
  readonly store: Store;
  readonly remove?: () => Promise<void> | void;
}

type Body = (store: Store) => Promise<void>;

const mebibyte = 2 ** 20;

const refusedNames = [
  "",
  "/",
  "/index/a",
  "index/",
  "index//a",
  "index/../a",
  "..",
  ".",
  "./a",
  "index/.hidden",
  "Index/a",
  "index/ä",
  "index/a b",
  "index/a_b",
  "index\\a",
  "index/a\0",
  "index/a\n",
  "a".repeat(300),
];

const everyCall: [
  string,
  (store: Store, name: string, signal?: AbortSignal) => Promise<unknown>,
][] = [
  ["put", (store, name, signal) => store.put(name, new Uint8Array(1), { ...own(signal) })],
  ["get", (store, name, signal) => store.get(name, own(signal))],
  ["getRange", (store, name, signal) => store.getRange(name, 0, 1, own(signal))],
  ["size", (store, name, signal) => store.size(name, own(signal))],
  ["delete", (store, name, signal) => store.delete(name, own(signal))],
  [
    "list",
    async (store, name, signal) => {
      for await (const _ of store.list(name, own(signal)));
    },
  ],
];

function own(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

const objects: [string, Body][] = [
  [
    "what was put is got, byte for byte",
    async (store) => {
      for (const length of [0, 1, 4095, 4096, 70_000]) {
        await store.put(`index/n${length}`, patternBytes(length));
        assert.deepEqual(await store.get(`index/n${length}`), patternBytes(length));
        assert.equal(await store.size(`index/n${length}`), length);
      }
    },
  ],
  [
    "a name without a folder, and deep ones",
    async (store) => {
      for (const name of ["varve.json", "packs/ab/abcd", "a/b/c/d/e-f.g"]) {
        await store.put(name, patternBytes(10));
        assert.deepEqual(await store.get(name), patternBytes(10));
      }
    },
  ],
  [
    "put replaces whole, by shorter and by longer",
    async (store) => {
      for (const length of [100, 10, 1000]) {
        await store.put("sessions/a", patternBytes(length, length));
        assert.deepEqual(await store.get("sessions/a"), patternBytes(length, length));
      }
      assert.deepEqual(await listAll(store, "sessions"), [{ name: "sessions/a", size: 1000 }]);
    },
  ],
  [
    "the caller's buffer and the store's are apart",
    async (store) => {
      const data = patternBytes(100);
      await store.put("index/a", data.subarray(10, 20));
      data.fill(0);
      const got = await store.get("index/a");
      assert.deepEqual(got, patternBytes(100).slice(10, 20));
      assert.equal(got.buffer.byteLength, 10, "an array of its own");
      got.fill(0);
      assert.deepEqual(await store.getRange("index/a", 0, 10), patternBytes(100).slice(10, 20));
    },
  ],
  [
    "data may lie in shared memory",
    async (store) => {
      const shared = new Uint8Array(new SharedArrayBuffer(5000), 100, 4000);
      shared.set(patternBytes(4000));
      await store.put("packs/aa/a", shared);
      assert.deepEqual(await store.get("packs/aa/a"), patternBytes(4000));
    },
  ],
  [
    "a large object",
    async (store) => {
      const data = patternBytes(40 * mebibyte);
      await store.put("packs/aa/large", data);
      assert.equal(Buffer.compare(await store.get("packs/aa/large"), data), 0);
      const part = await store.getRange("packs/aa/large", 33 * mebibyte + 1, mebibyte);
      assert.equal(Buffer.compare(part, data.subarray(33 * mebibyte + 1, 34 * mebibyte + 1)), 0);
      assert.equal(await store.size("packs/aa/large"), data.length);
    },
  ],
  [
    "putIfAbsent, where there is one: the first stays, and of many at once one takes effect",
    async (store) => {
      if (store.putIfAbsent === undefined) return;
      for (let round = 0; round < 5; round++) {
        const name = `index/r${round}`;
        const all = [1, 2, 3, 4].map((seed) => patternBytes(5000, seed));
        await Promise.all(all.map((data) => store.putIfAbsent?.(name, data)));
        const first = await store.get(name);
        assert.ok(all.some((data) => Buffer.compare(data, first) === 0));
        await store.putIfAbsent(name, patternBytes(7, 9));
        assert.deepEqual(await store.get(name), first);
        await store.put(name, patternBytes(7, 9));
        assert.deepEqual(await store.get(name), patternBytes(7, 9));
      }
      assert.equal((await listAll(store, "index")).length, 5);
    },
  ],
  [
    "namesIn, where there is one: what lies directly in a folder",
    async (store) => {
      if (store.namesIn === undefined) return;
      assert.deepEqual(await store.namesIn("packs/aa"), []);
      for (const name of ["packs/aa/a", "packs/aa/b", "packs/bb/c", "index/d"]) {
        await store.put(name, patternBytes(10));
      }
      assert.deepEqual((await store.namesIn("packs/aa")).sort(), ["a", "b"]);
      await store.delete("packs/aa/a");
      assert.deepEqual(await store.namesIn("packs/aa"), ["b"]);
    },
  ],
  [
    "listNames, where there is one: base names as list gives them",
    async (store) => {
      if (store.listNames === undefined) return;
      assert.deepEqual(await store.listNames("snapshots"), []);
      for (const name of ["snapshots/a", "snapshots/b", "index/c"]) {
        await store.put(name, patternBytes(10));
      }
      const listed = (await listAll(store, "snapshots")).map(({ name }) => name.slice(10));
      assert.deepEqual((await store.listNames("snapshots")).sort(), listed.sort());
      await store.delete("snapshots/a");
      assert.deepEqual(await store.listNames("snapshots"), ["b"]);
      await assert.rejects(store.listNames("../a"), coded("internal"));
    },
  ],
  [
    "an object above the limit is refused before it is stored",
    async (store) => {
      // Length is all that may be looked at.
      const data = Object.defineProperty(new Uint8Array(0), "length", {
        value: objectBytesMax + 1,
      });
      await assert.rejects(store.put("packs/aa/a", data), coded("limit-exceeded"));
      assert.deepEqual(await listAll(store, "packs"), []);
    },
  ],
];

const ranges: [string, Body][] = [
  [
    "ranges up to the very end",
    async (store) => {
      const data = patternBytes(1000);
      await store.put("packs/aa/a", data);
      for (const [offset, length] of [
        [0, 0],
        [0, 1],
        [0, 1000],
        [999, 1],
        [500, 0],
        [1000, 0],
        [100, 800],
      ] as const) {
        const part = await store.getRange("packs/aa/a", offset, length);
        assert.deepEqual(part, data.slice(offset, offset + length));
      }
    },
  ],
  [
    "ranges beyond the end are damage, however long",
    async (store) => {
      await store.put("packs/aa/a", patternBytes(1000));
      for (const [offset, length] of [
        [0, 1001],
        [999, 2],
        [1000, 1],
        [1001, 0],
        [5000, 10],
        [0, Number.MAX_SAFE_INTEGER],
        [10, 2 ** 40],
      ] as const) {
        await assert.rejects(store.getRange("packs/aa/a", offset, length), coded("object-damaged"));
      }
    },
  ],
  [
    "ranges that are none are a bug",
    async (store) => {
      await store.put("packs/aa/a", patternBytes(1000));
      for (const [offset, length] of [
        [-1, 1],
        [0, -1],
        [0.5, 1],
        [0, Number.NaN],
      ] as const) {
        await assert.rejects(store.getRange("packs/aa/a", offset, length), coded("internal"));
      }
    },
  ],
];

const absences: [string, Body][] = [
  [
    "what is not there is absent",
    async (store) => {
      const absent = async (name: string) => {
        await assert.rejects(store.get(name), coded("object-absent"));
        await assert.rejects(store.getRange(name, 0, 0), coded("object-absent"));
        await assert.rejects(store.size(name), coded("object-absent"));
      };
      await absent("varve.json");
      await absent("packs/aa/a");
      await store.put("packs/aa/b", patternBytes(10));
      await absent("packs/aa/a");
    },
  ],
  [
    "delete removes, and absent is fine",
    async (store) => {
      await store.delete("index/a");
      await store.put("index/a", patternBytes(10));
      await store.put("index/b", patternBytes(10));
      await store.delete("index/a");
      await store.delete("index/a");
      await assert.rejects(store.get("index/a"), coded("object-absent"));
      assert.deepEqual(await listAll(store, "index"), [{ name: "index/b", size: 10 }]);
      await store.put("index/a", patternBytes(5));
      assert.equal(await store.size("index/a"), 5);
    },
  ],
  [
    "errors carry a hint and the name",
    async (store) => {
      await assert.rejects(store.get("index/a"), (error: unknown) => {
        assert.ok(error instanceof VarveError);
        assert.ok((error.hint ?? "").length > 0);
        assert.equal(error.context["name"], "index/a");
        return true;
      });
    },
  ],
  [
    "invalid names are refused by every call",
    async (store) => {
      for (const name of refusedNames) {
        for (const [kind, call] of everyCall) {
          await assert.rejects(call(store, name), coded("internal"), `${kind} ${name}`);
        }
      }
    },
  ],
];

const lists: [string, Body][] = [
  [
    "a list is the folder at any depth, with sizes, and nothing beside it",
    async (store) => {
      const names = ["varve.json", "packs/ab/a", "packs/ab/b", "packs/cd/c", "packs-other/d"];
      for (const [at, name] of names.entries()) await store.put(name, patternBytes(at));
      assert.deepEqual(await listAll(store, "packs"), [
        { name: "packs/ab/a", size: 1 },
        { name: "packs/ab/b", size: 2 },
        { name: "packs/cd/c", size: 3 },
      ]);
      assert.deepEqual(await listAll(store, "packs/ab"), [
        { name: "packs/ab/a", size: 1 },
        { name: "packs/ab/b", size: 2 },
      ]);
    },
  ],
  [
    "a folder that is not there lists as empty",
    async (store) => {
      assert.deepEqual(await listAll(store, "fences"), []);
      await store.put("index/a", patternBytes(1));
      assert.deepEqual(await listAll(store, "fences"), []);
    },
  ],
  [
    "listing while deleting what was listed",
    async (store) => {
      const names = Array.from({ length: 100 }, (_, at) => `index/${at}`);
      await Promise.all(names.map((name) => store.put(name, patternBytes(3))));
      const seen: string[] = [];
      for await (const { name } of store.list("index")) {
        seen.push(name);
        await store.delete(name);
      }
      assert.deepEqual(seen.sort(), names.sort());
      assert.deepEqual(await listAll(store, "index"), []);
    },
  ],
  [
    "a list that is left early",
    async (store) => {
      for (const name of ["index/a", "index/b"]) await store.put(name, patternBytes(3));
      for await (const _ of store.list("index")) break;
      assert.equal((await listAll(store, "index")).length, 2);
    },
  ],
  [
    "a list shows every put that was finished, while others go on",
    async (store) => {
      const renewed = (async () => {
        for (let beat = 0; beat < 60; beat++) await store.put("sessions/a", patternBytes(beat));
      })();
      await store.put("sessions/b", patternBytes(1));
      await store.put("sessions/a", patternBytes(1));
      for (let round = 0; round < 20; round++) {
        const names = (await listAll(store, "sessions")).map(({ name }) => name);
        assert.deepEqual(names, ["sessions/a", "sessions/b"]);
      }
      await renewed;
    },
  ],
];

const concurrency: [string, Body][] = [
  [
    "concurrent puts of one name leave one of them, whole",
    async (store) => {
      const versions = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => patternBytes(seed * 20_000, seed));
      await Promise.all(versions.map((data) => store.put("sessions/a", data)));
      const got = await store.get("sessions/a");
      assert.ok(versions.some((data) => Buffer.compare(data, got) === 0));
    },
  ],
  [
    "concurrent puts and deletes all over",
    async (store) => {
      const names = Array.from({ length: 200 }, (_, at) => `packs/${at % 7}/${at}`);
      await Promise.all(names.map((name, at) => store.put(name, patternBytes(at))));
      await Promise.all(names.filter((_, at) => at % 2 === 0).map((name) => store.delete(name)));
      const left = (await listAll(store, "packs")).map(({ name }) => name);
      assert.deepEqual(left, names.filter((_, at) => at % 2 === 1).sort());
    },
  ],
  [
    "readers see a whole version while it is replaced",
    async (store) => {
      const versions = [1, 2, 3].map((seed) => patternBytes(seed * 50_000, seed));
      await store.put("sessions/a", versions[0] ?? new Uint8Array());
      const writer = (async () => {
        for (let round = 0; round < 10; round++) {
          for (const data of versions) await store.put("sessions/a", data);
        }
      })();
      for (let round = 0; round < 50; round++) {
        const got = await store.get("sessions/a");
        assert.ok(versions.some((data) => Buffer.compare(data, got) === 0));
      }
      await writer;
    },
  ],
];

const aborts: [string, Body][] = [
  [
    "an aborted signal is refused with its reason, and nothing happens",
    async (store) => {
      await store.put("index/a", patternBytes(10));
      const signal = AbortSignal.abort(new Error("enough"));
      for (const [kind, call] of everyCall) {
        await assert.rejects(call(store, "index/a", signal), /enough/, kind);
      }
      assert.deepEqual(await store.get("index/a"), patternBytes(10));
    },
  ],
  [
    "a put that is aborted on its way leaves the old or the new object, whole",
    async (store) => {
      const old = patternBytes(10, 1);
      const fresh = patternBytes(20 * mebibyte, 2);
      await store.put("index/a", old);
      const controller = new AbortController();
      const put = store.put("index/a", fresh, { signal: controller.signal });
      const settled = put.then(
        () => "done",
        (error: unknown) => error,
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
      const reason = new Error("enough");
      controller.abort(reason);
      const outcome = await settled;
      assert.ok(outcome === "done" || outcome === reason, String(outcome));
      const got = await store.get("index/a");
      assert.ok([old, fresh].some((data) => Buffer.compare(data, got) === 0));
      assert.equal((await listAll(store, "index")).length, 1);
    },
  ],
];

/** Runs the suite, each test on a new empty store. */
export function storeContract(kind: string, makeStore: () => Promise<MadeStore> | MadeStore): void {
  describe(`${kind} keeps the contract of stores`, () => {
    const all = [...objects, ...ranges, ...absences, ...lists, ...concurrency, ...aborts];
    for (const [title, body] of all) {
      test(title, async () => {
        const { store, remove } = await makeStore();
        try {
          await body(store);
          await store.close();
        } finally {
          await remove?.();
        }
      });
    }
  });
}
