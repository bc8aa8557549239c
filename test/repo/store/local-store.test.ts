/** What is particular to folders: modes, odd things in the way, system errors, left-overs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { hasCode, VarveError } from "../../../src/base/errors.ts";
import { type FileOps, nodeFileOps } from "../../../src/repo/store/file-ops.ts";
import { LocalStore, type LocalStoreOptions } from "../../../src/repo/store/local-store.ts";
import { coded, listAll, patternBytes } from "../../helpers/store-data.ts";
import { type FaultyCode, SimulatedDisk, systemError } from "../../helpers/store-simulated-disk.ts";
import { type TemporaryStore, temporaryStore } from "../../helpers/store-temporary.ts";

const data = patternBytes(100);

function local(
  title: string,
  body: (made: TemporaryStore) => Promise<void>,
  options: LocalStoreOptions = {},
): void {
  test(title, async () => {
    const made = await temporaryStore(options);
    try {
      await body(made);
    } finally {
      await made.remove();
    }
  });
}

local("files and folders are for their owner only", async ({ folder }) => {
  const root = join(folder, "a/b");
  await new LocalStore(root, { create: true }).put("packs/ab/abcd", data);
  const modeOf = async (path: string) => (await fs.stat(path)).mode & 0o777;
  for (const path of ["", "packs", "packs/ab"]) assert.equal(await modeOf(join(root, path)), 0o700);
  assert.equal(await modeOf(join(root, "packs/ab/abcd")), 0o600);
});

local("without create, a root that is not there is not made", async ({ folder }) => {
  const store = new LocalStore(join(folder, "none"));
  await assert.rejects(store.get("varve.json"), coded("object-absent"));
  assert.deepEqual(await listAll(store, "index"), []);
  await assert.rejects(store.put("varve.json", data), coded("store-unreachable"));
  await store.delete("varve.json");
  assert.equal(await store.sweepTemporary(0), 0);
  assert.deepEqual(await fs.readdir(folder), []);
});

local("a folder that was removed is made again", async ({ store, folder }) => {
  await store.put("packs/ab/a", data);
  await fs.rm(join(folder, "packs"), { recursive: true });
  await store.put("packs/ab/a", data);
  assert.deepEqual(await store.get("packs/ab/a"), data);
});

local("nothing is put where another root stands, as when its disk went away", async (made) => {
  const { store, folder } = made;
  await store.put("sessions/a", data);
  await fs.rename(folder, `${folder}-away`);
  await fs.mkdir(folder);
  try {
    await assert.rejects(store.put("snapshots/a", data), coded("store-unreachable"));
    await assert.rejects(store.put("sessions/b", data), coded("store-unreachable"));
    assert.deepEqual(await fs.readdir(folder), []);
  } finally {
    await fs.rm(`${folder}-away`, { recursive: true });
  }
});

local("a root that is a symbolic link is followed", async ({ folder }) => {
  await fs.mkdir(join(folder, "real"));
  await fs.symlink("real", join(folder, "link"));
  const store = new LocalStore(join(folder, "link"));
  await store.put("index/a", data);
  assert.deepEqual(await listAll(store, "index"), [{ name: "index/a", size: 100 }]);
  assert.deepEqual(await fs.readFile(join(folder, "real/index/a")), Buffer.from(data));
});

local(
  "links, folders and FIFOs in place of an object are refused and hang nobody",
  async (made) => {
    const { store, folder } = made;
    await store.put("index/real", data);
    await fs.symlink(join(folder, "index/real"), join(folder, "index/link"));
    await fs.symlink("nowhere", join(folder, "index/dangling"));
    await fs.mkdir(join(folder, "index/folder"));
    assert.equal(spawnSync("mkfifo", [join(folder, "index/fifo")]).status, 0);
    for (const name of ["link", "dangling", "folder", "fifo"]) {
      const refused = coded("store-unreachable", "store-denied");
      await assert.rejects(store.get(`index/${name}`), refused, name);
      await assert.rejects(store.getRange(`index/${name}`, 0, 0), refused, name);
      await assert.rejects(store.size(`index/${name}`), refused, name);
    }
    await assert.rejects(listAll(store, "index"), coded("store-unreachable"));
    await assert.rejects(store.delete("index/folder"), coded("store-unreachable", "store-denied"));
    await assert.rejects(store.put("index/folder", data), coded("store-unreachable"));
    for (const name of ["link", "dangling", "fifo"]) await store.delete(`index/${name}`);
    assert.deepEqual(await listAll(store, "index"), [{ name: "index/real", size: 100 }]);
    assert.deepEqual((await fs.readdir(join(folder, "index"))).sort(), ["folder", "real"]);
  },
);

local("a put replaces a planted link, not what it points to", async ({ store, folder }) => {
  const victim = join(folder, "victim");
  await fs.writeFile(victim, "untouched");
  await store.put("index/other", data);
  await fs.symlink(victim, join(folder, "index/a"));
  await store.put("index/a", data);
  assert.equal(await fs.readFile(victim, "utf8"), "untouched");
  assert.deepEqual(await store.get("index/a"), data);
});

local("a file where a folder should be", async ({ store, folder }) => {
  await fs.writeFile(join(folder, "index"), "in the way");
  await assert.rejects(store.put("index/a", data), coded("store-unreachable"));
  await assert.rejects(store.get("index/a"), coded("store-unreachable"));
  await assert.rejects(listAll(store, "index"), coded("store-unreachable"));
});

local("what is no object is not listed, whatever it is called", async ({ store, folder }) => {
  await store.put("index/a", data);
  const strange = [".DS_Store", ".tmp-x", "Thumbs.db", "lost+found", ".nfs01", "a b", "ä"];
  for (const name of strange) await fs.writeFile(join(folder, "index", name), "");
  await fs.mkdir(join(folder, "index/.snapshots"));
  await fs.writeFile(join(folder, "index/.snapshots/b"), "");
  assert.deepEqual(await listAll(store, "index"), [{ name: "index/a", size: 100 }]);
});

local("an object too large for any is damage, not memory", async ({ store, folder }) => {
  await store.put("index/a", data);
  await fs.truncate(join(folder, "index/a"), 2 ** 40);
  await assert.rejects(store.get("index/a"), coded("object-damaged"));
  await assert.rejects(store.getRange("index/a", 0, 2 ** 39), coded("object-damaged"));
  assert.deepEqual((await store.getRange("index/a", 2 ** 40 - 1, 1)).length, 1);
});

/** A store whose operation `failing` fails with `code`, on a simulated disk with one object. */
async function failingStore(failing: keyof FileOps, code: FaultyCode) {
  let armed = false;
  const disk = new SimulatedDisk({
    seed: 3,
    beforeStep: (operation) => {
      if (armed && operation === failing) throw systemError(code);
    },
  });
  const store = new LocalStore("/disk", { create: true, ops: disk.ops() });
  await store.put("index/old", data);
  armed = true;
  const disarm = () => {
    armed = false;
  };
  return { store, disk, disarm };
}

const expectedCodes = {
  ENOSPC: "store-full",
  EDQUOT: "store-full",
  EIO: "store-unreachable",
  EACCES: "store-denied",
  EROFS: "store-denied",
} as const;

test("system errors of a put become codes and leave the old object alone", async () => {
  for (const failing of ["createFile", "write", "sync", "rename"] as const) {
    for (const [code, expected] of Object.entries(expectedCodes)) {
      const { store, disk, disarm } = await failingStore(failing, code as FaultyCode);
      await assert.rejects(store.put("index/old", patternBytes(9)), (error: unknown) => {
        assert.ok(hasCode(error, expected), `${failing} ${code}`);
        assert.ok((error.hint ?? "") !== "");
        assert.equal(error.context["name"], "index/old");
        return true;
      });
      disarm();
      assert.deepEqual(disk.paths(), ["/disk/index/old"], `${failing} ${code}`);
      assert.deepEqual(await store.get("index/old"), data);
      assert.equal(disk.openHandles, 0);
      await store.put("index/old", patternBytes(9));
      assert.deepEqual(await store.get("index/old"), patternBytes(9));
    }
  }
});

test("a put whose folder cannot be synced is not reported as done", async () => {
  const { store, disarm } = await failingStore("syncFolder", "EIO");
  await assert.rejects(store.put("index/new", data), coded("store-unreachable"));
  await assert.rejects(store.put("packs/ab/new", data), coded("store-unreachable"));
  await assert.rejects(store.delete("index/old"), coded("store-unreachable"));
  disarm();
  await store.put("packs/ab/new", data);
});

test("a swept temporary file is no absent object", async () => {
  const { store } = await failingStore("rename", "ENOENT");
  await assert.rejects(store.put("index/new", data), coded("store-unreachable"));
});

test("system errors of reading, listing and deleting become codes", async () => {
  for (const [code, expected] of Object.entries(expectedCodes)) {
    const fails = async (failing: keyof FileOps, run: (store: LocalStore) => Promise<unknown>) => {
      const { store, disk } = await failingStore(failing, code as FaultyCode);
      await assert.rejects(run(store), coded(expected), `${failing} ${code}`);
      assert.equal(disk.openHandles, 0);
    };
    await fails("openFile", (store) => store.get("index/old"));
    await fails("facts", (store) => store.get("index/old"));
    await fails("read", (store) => store.get("index/old"));
    await fails("read", (store) => store.getRange("index/old", 1, 5));
    await fails("factsAt", (store) => store.size("index/old"));
    await fails("readFolder", (store) => listAll(store, "index"));
    await fails("factsAt", (store) => listAll(store, "index"));
    await fails("unlink", (store) => store.delete("index/old"));
  }
});

test("a failing disk can still be listed and read", async () => {
  const { store } = await failingStore("syncFolder", "EIO");
  assert.equal((await listAll(store, "index")).length, 1);
  assert.deepEqual(await store.get("index/old"), data);
});

local("a full file system, in earnest", async ({ folder }) => {
  // /dev/full answers every write with ENOSPC.
  const ops: FileOps = {
    ...nodeFileOps,
    createFile: async (path) => {
      await nodeFileOps.close(await nodeFileOps.createFile(path));
      const handle = await fs.open("/dev/full", "w");
      kept.push(handle);
      return handle.fd;
    },
    close: async () => undefined,
  };
  const kept: fs.FileHandle[] = [];
  const store = new LocalStore(folder, { ops });
  await assert.rejects(store.put("index/a", data), (error: unknown) => {
    assert.ok(error instanceof VarveError && error.code === "store-full");
    assert.match(error.hint ?? "", /Make room/);
    return true;
  });
  for (const handle of kept) await handle.close();
  assert.deepEqual(await fs.readdir(join(folder, "index")), []);
});

test("a name that readdir misses while it is replaced is listed all the same", async () => {
  const disk = new SimulatedDisk({ seed: 1 });
  const ops = disk.ops();
  let readings = 0;
  const missing: FileOps = {
    ...ops,
    readFolder: async (path) => {
      const names = await ops.readFolder(path);
      return readings++ === 0 ? names.filter((name) => name !== "a") : names;
    },
  };
  const store = new LocalStore("/disk", { create: true, ops: missing });
  const list = async () => (await listAll(store, "sessions")).map(({ name }) => name);
  await store.put("sessions/a", data);
  assert.deepEqual(await list(), ["sessions/a"]);
  await store.put("sessions/b", data);
  readings = 0;
  assert.deepEqual(await list(), ["sessions/a", "sessions/b"]);
  assert.ok(readings >= 2);
});

local("sweeping removes old temporary files and nothing else", async ({ store, folder }) => {
  await store.put("packs/ab/a", data);
  const hex = "0123456789abcdef".repeat(2);
  const put = async (name: string, hoursAgo: number) => {
    await fs.writeFile(join(folder, name), "");
    const time = Date.now() / 1000 - hoursAgo * 3600;
    await fs.utimes(join(folder, name), time, time);
  };
  await put(`.tmp-${hex}`, 30);
  await put(`packs/ab/.tmp-${hex}`, 30);
  await put(`packs/.tmp-${hex}`, 1);
  await put("packs/ab/.tmp-by-somebody", 30);
  await put("packs/ab/old", 30);
  assert.equal(await store.sweepTemporary(24 * 3600_000), 2);
  const left = (await fs.readdir(folder, { recursive: true })).sort();
  assert.deepEqual(left, [
    "packs",
    `packs/.tmp-${hex}`,
    "packs/ab",
    "packs/ab/.tmp-by-somebody",
    "packs/ab/a",
    "packs/ab/old",
  ]);
});

test("many calls in one folder share its syncs", async () => {
  let syncs = 0;
  const disk = new SimulatedDisk({
    seed: 1,
    beforeStep: (operation) => {
      if (operation === "syncFolder") syncs++;
    },
  });
  const store = new LocalStore("/disk", { create: true, ops: disk.ops() });
  const names = Array.from({ length: 200 }, (_, at) => `index/${at}`);
  for (const name of names) await store.put(name, data);
  syncs = 0;
  await Promise.all(names.map((name) => store.delete(name)));
  assert.ok(syncs < 60, `${syncs} syncs for 200 deletes`);
  assert.deepEqual(disk.paths(), []);
});

local("an object is written by a mebibyte at most", async ({ folder }) => {
  const lengths: number[] = [];
  const ops: FileOps = {
    ...nodeFileOps,
    write: (handle, bytes, position) => {
      lengths.push(bytes.length);
      return nodeFileOps.write(handle, bytes, position);
    },
  };
  const store = new LocalStore(join(folder, "pieces"), { create: true, ops });
  const large = patternBytes(3 * 2 ** 20 + 5);
  await store.put("packs/ab/abcd", large);
  assert.deepEqual(lengths, [2 ** 20, 2 ** 20, 2 ** 20, 5]);
  assert.deepEqual(Buffer.from(await store.get("packs/ab/abcd")), Buffer.from(large));
});
