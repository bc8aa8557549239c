/**
 * The walk's thread: what it yields is what the walker yields, it is never far ahead, and however
 * it ends nobody takes that for the end of the tree.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EntryType } from "../../src/base/entry.ts";
import { hasCode, VarveError } from "../../src/base/errors.ts";
import { pathFromKey, type RawPath } from "../../src/base/raw-path.ts";
import { type Walk, WalkThread } from "../../src/engine/snapshot/walk-thread.ts";
import { createSnapshot } from "../../src/engine/snapshot.ts";
import { walkInBatches } from "../../src/engine/workers/walk-batches.ts";
import { walkSlotBytes, walkSlots } from "../../src/engine/workers/walk-protocol.ts";
import { ExcludeRules } from "../../src/sources/exclude.ts";
import { OwnerNames } from "../../src/sources/owners.ts";
import { TreeWalker, type TreeWalkerOptions } from "../../src/sources/tree-walker.ts";
import { WalkRecords } from "../../src/sources/walk-records.ts";
import { withRepository } from "../helpers/snapshot-place.ts";
import { namesIn, takeSnapshot } from "../helpers/snapshot-runs.ts";
import { withFolder } from "../helpers/test-repository.ts";

async function withThread<T>(use: (thread: WalkThread) => Promise<T>): Promise<T> {
  const thread = new WalkThread();
  try {
    return await use(thread);
  } finally {
    await thread.close();
  }
}

/** Many small files with long names, in folders of a thousand. */
function makeMany(folder: string, count: number): void {
  const tail = "x".repeat(200);
  for (let n = 0; n < count; n++) {
    const inside = join(folder, String(Math.floor(n / 1000)));
    if (n % 1000 === 0) fs.mkdirSync(inside);
    fs.writeFileSync(join(inside, `${n}${tail}`), "");
  }
}

async function pathsOf(walk: Walk): Promise<string[]> {
  const paths: string[] = [];
  while (await walk.nextBatch()) {
    while (walk.records.next()) {
      const { records } = walk;
      paths.push(records.isProblem ? records.problem().path : pathFromKey(records.key));
    }
  }
  return paths;
}

/** What the walker itself yields. */
function expectedOf(options: TreeWalkerOptions): string[] {
  return [...new TreeWalker(options).walk()].map((item) =>
    "problem" in item ? item.problem.path : pathFromKey(item.key),
  );
}

test("the thread yields what the walker does, rules and problems among it", async () => {
  await withFolder(async (folder) => {
    makeMany(folder, 3000);
    fs.mkdirSync(join(folder, "cache"));
    fs.writeFileSync(join(folder, "cache/.nobackup"), "");
    fs.writeFileSync(join(folder, "cache/lost"), "");
    fs.writeFileSync(join(folder, "big"), "0123456789");
    fs.symlinkSync("big", join(folder, "link"));
    const options: TreeWalkerOptions = {
      roots: [folder, join(folder, "absent"), join(folder, "link")] as RawPath[],
      excludes: new ExcludeRules(["*7?".concat("x".repeat(199)), "/1/"] as RawPath[]),
      excludeIfPresent: [{ name: ".nobackup", header: "" }],
      excludeLargerThan: 5,
      oneFileSystem: true,
    };
    const expected = expectedOf(options);
    assert.ok(expected.length > 2000, "there is something to walk");
    await withThread(async (thread) => {
      for (let round = 0; round < 2; round++) {
        const walk = thread.begin(options, undefined);
        assert.deepEqual(await pathsOf(walk), expected);
        await walk.end();
      }
    });
  });
});

test("link targets, attributes and device numbers come along", async () => {
  await withFolder(async (folder) => {
    fs.symlinkSync("to/\u00e9 nowhere", join(folder, "link"));
    await withThread(async (thread) => {
      const walk = thread.begin(
        { roots: [join(folder, "link"), "/dev/null"] as RawPath[] },
        undefined,
      );
      const seen: string[] = [];
      while (await walk.nextBatch()) {
        while (walk.records.next()) {
          if (walk.records.isProblem) continue;
          const { type, rdevMajor, rdevMinor } = walk.records;
          if (type === EntryType.symlink) seen.push(walk.records.detail().linkTarget ?? "none");
          if (type === EntryType.charDevice) seen.push(`${rdevMajor}:${rdevMinor}`);
        }
      }
      await walk.end();
      assert.deepEqual(seen, ["1:3", Buffer.from("to/\u00e9 nowhere").toString("latin1")].sort());
    });
  });
});

test("the walk is never more than its ring ahead", async () => {
  await withFolder(async (folder) => {
    const count = 6000;
    makeMany(folder, count);
    // A record of such a file takes some 300 bytes, and all of them more than the ring has.
    assert.ok(count * 290 > walkSlotBytes * walkSlots);
    await withThread(async (thread) => {
      const walk = thread.begin({ roots: [folder as RawPath] }, undefined);
      assert.equal(await walk.nextBatch(), true);
      // The last folder is removed once the ring must be full: the walk cannot have been there.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      fs.rmSync(join(folder, "5"), { recursive: true });
      const paths: string[] = [];
      do {
        while (walk.records.next()) {
          if (!walk.records.isProblem) paths.push(pathFromKey(walk.records.key));
        }
      } while (await walk.nextBatch());
      await walk.end();
      const inLast = paths.filter((path) => path.startsWith(join(folder, "5/")));
      assert.equal(inLast.length, 0);
      assert.ok(paths.length > 5000, "all others came");
    });
  });
});

/** Descriptors of this process, whose threads have others, that are open on a folder or below. */
function openBelow(folder: string): number {
  const isBelow = (fd: string) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false; // the one that listed
    }
  };
  return fs.readdirSync("/proc/self/fd").filter(isBelow).length;
}

test("a walk that is ended early lets go, and another walk can begin", async () => {
  await withFolder(async (folder) => {
    makeMany(folder, 6000);
    const options = { roots: [folder as RawPath] };
    const expected = expectedOf(options);
    await withThread(async (thread) => {
      const unstarted = thread.begin(options, undefined);
      await unstarted.end();
      for (const batches of [0, 1, 3]) {
        const walk = thread.begin(options, undefined);
        for (let taken = 0; taken < batches; taken++) await walk.nextBatch();
        // Long enough for it to sleep before a full ring.
        await new Promise((resolve) => setTimeout(resolve, 400));
        if (batches > 0) assert.ok(openBelow(folder) > 0, "it stands in a folder");
        await walk.end();
        assert.equal(openBelow(folder), 0, "its folders are closed");
      }
      const walk = thread.begin(options, undefined);
      assert.deepEqual(await pathsOf(walk), expected);
      await walk.end();
    });
  });
});

test("an abort is told while the walk is waited for, and while it waits", async () => {
  await withFolder(async (folder) => {
    makeMany(folder, 6000);
    await withThread(async (thread) => {
      const reason = new VarveError("interrupted", "Stopped by a test.");
      const early = new AbortController();
      const waiting = thread.begin({ roots: [folder as RawPath] }, early.signal);
      const first = waiting.nextBatch();
      early.abort(reason);
      await assert.rejects(
        first.then(() => waiting.nextBatch()),
        reason,
      );
      await waiting.end();
      const late = new AbortController();
      const walk = thread.begin({ roots: [folder as RawPath] }, late.signal);
      await walk.nextBatch();
      late.abort(reason);
      await assert.rejects(walk.nextBatch(), reason);
      await walk.end();
    });
  });
});

test("what goes wrong in the thread ends the walk with its own error, not early", async () => {
  await withThread(async (thread) => {
    const walk = thread.begin({ roots: ["not/absolute" as RawPath] }, undefined);
    const isUsage = (error: unknown) => hasCode(error, "usage") && error.hint !== undefined;
    await assert.rejects(walk.nextBatch(), isUsage);
    await assert.rejects(walk.nextBatch(), isUsage, "and again");
    await walk.end();
  });
});

test("a failed walk fails the snapshot, whatever came before it", async () => {
  await withRepository(async (repo, place) => {
    place.write("file", "content");
    const walks = {
      begin: (options: TreeWalkerOptions) => {
        const slot = new ArrayBuffer(walkSlotBytes);
        const records = new WalkRecords(new OwnerNames());
        let length = 0;
        const give = (given: number) => {
          length = given;
        };
        const free = { slot: () => 0, isHungry: () => false, isStopped: () => false, give };
        walkInBatches(new TreeWalker(options), slot, free);
        let calls = 0;
        const nextBatch = async () => {
          if (calls++ > 0) throw new VarveError("internal", "The walker crashed.");
          records.begin(slot, 0, length);
          return true;
        };
        return { records, nextBatch, end: async () => undefined };
      },
    };
    await assert.rejects(takeSnapshot(repo, place.root, { walks }), /The walker crashed/);
    assert.deepEqual(await namesIn(place.store, "snapshots"), []);
    assert.deepEqual(await namesIn(place.store, "sessions"), []);
  });
});

test("a snapshot that fails before it takes an entry leaves no thread behind", async () => {
  await withRepository(async (repo, place) => {
    const controller = new AbortController();
    controller.abort(new VarveError("interrupted", "Stopped by a test."));
    const roots = [place.root as RawPath];
    const options = { roots, walk: {}, host: "testhost", tags: [], signal: controller.signal };
    await assert.rejects(createSnapshot(repo, options), /Stopped by a test/);
  });
});
