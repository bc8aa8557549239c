/** Making a repository while another does the same, in every order that a disk may bring about. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import type { FileOps } from "../../src/repo/store/file-ops.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { SimulatedDisk, systemError } from "../helpers/store-simulated-disk.ts";
import { makeRepository, reopenRepository, withFolder } from "../helpers/test-repository.ts";

const seeds = 60;

/** A file system without hard links, which cannot tell apart two at the very same instant. */
const withoutLinks = (ops: FileOps): FileOps => ({
  ...ops,
  link: async () => {
    throw systemError("EPERM");
  },
});

test("of three at once one makes it, and the others say that there is one", async () => {
  await withFolder(async (folder) => {
    for (let seed = 1; seed <= seeds; seed++) {
      const disk = new SimulatedDisk({ seed });
      const newStore = () => new LocalStore("/repository", { create: true, ops: disk.ops() });
      const tries = [1, 2, 3].map(() => makeRepository(folder, { store: newStore() }));
      const ends = await Promise.allSettled(tries);
      const made = ends.filter(({ status }) => status === "fulfilled");
      assert.equal(made.length, 1, `seed ${seed}: ${JSON.stringify(ends.map(reasonOf))}`);
      for (const end of ends) {
        if (end.status === "fulfilled") await end.value.close();
        else assert.ok(hasCode(end.reason, "repo-exists"), `seed ${seed}: ${reasonOf(end)}`);
      }
      const slots = disk.paths().filter((path) => path.startsWith("/repository/keys/"));
      assert.equal(slots.length, 1, `seed ${seed}: ${disk.paths()}`);
      await (await reopenRepository(folder, { store: newStore() })).close();
    }
  });
});

function reasonOf(end: PromiseSettledResult<unknown>): string {
  return end.status === "rejected" ? String(end.reason) : "made";
}

test("without hard links, and where a store knows no condition: one after another", async () => {
  const disk = new SimulatedDisk({ seed: 1 });
  const ops = withoutLinks(disk.ops());
  const stores = [new LocalStore("/repository", { create: true, ops }), new MemoryStore()];
  await withFolder(async (folder) => {
    for (const store of stores) {
      await (await makeRepository(folder, { store })).close();
      await assert.rejects(makeRepository(folder, { store }), { code: "repo-exists" });
      await (await reopenRepository(folder, { store })).close();
    }
  });
});

test("without hard links an object that has the name stays", async () => {
  const disk = new SimulatedDisk({ seed: 1 });
  const store = new LocalStore("/repository", { create: true, ops: withoutLinks(disk.ops()) });
  await store.putIfAbsent("varve.json", Buffer.from("first"));
  await store.putIfAbsent("varve.json", Buffer.from("second"));
  assert.equal(Buffer.from(await store.get("varve.json")).toString(), "first");
  assert.deepEqual(disk.paths(), ["/repository/varve.json"]);
});

test("slots that an interrupted try left are taken away, other files are left", async () => {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const stale = `keys/${"ab".repeat(16)}`;
    await store.put(stale, Buffer.from("of a repository that never was"));
    await (await makeRepository(folder, { store })).close();
    assert.equal(store.names("keys").length, 1);
    assert.ok(!store.names().includes(stale));
    const foreign = new MemoryStore();
    await foreign.put("keys/server.pem", Buffer.from("somebody's"));
    await assert.rejects(makeRepository(folder, { store: foreign }), { code: "repo-exists" });
    assert.deepEqual(foreign.names(), ["keys/server.pem"]);
  });
});
