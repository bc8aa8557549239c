import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawPath } from "../../src/base/raw-path.ts";
import { prune } from "../../src/engine/prune.ts";
import { createSnapshot } from "../../src/engine/snapshot.ts";
import { Session } from "../../src/repo/session.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";

const noise = Buffer.alloc(200, 0x5a);

test("a damaged lease holds up nobody: a prune fences it", () =>
  withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store });
    const session = await Session.begin(repo, "sleeper");
    await store.put(`sessions/${session.id}`, noise);
    const options = { roots: [folder as RawPath], walk: {}, host: "h", tags: [], threads: 1 };
    await createSnapshot(repo, options);
    const { sweep } = await prune(repo);
    assert.equal(sweep?.fencedSessions, 1);
    assert.deepEqual(store.names("sessions"), []);
    assert.equal(await session.isFenced(), true);
    await session.end();
    await repo.close();
  }));

test("a damaged fence hides no snapshot", () =>
  withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store });
    const options = { roots: [folder as RawPath], walk: {}, host: "h", tags: [], threads: 1 };
    const { id, snapshot } = await createSnapshot(repo, options);
    await store.put(`fences/${snapshot.session}-${"0".repeat(32)}`, noise);
    const { records, damaged } = await repo.listSnapshots();
    assert.deepEqual(
      records.map((record) => record.id),
      [id],
    );
    assert.deepEqual(damaged, []);
    await repo.close();
  }));
