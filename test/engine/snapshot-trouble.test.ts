/**
 * Snapshots of trees that change while they are read, or deny it; large files; interrupted
 * runs.
 */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createCutter } from "../../src/chunker/cutter.ts";
import { gearTableFromBytes } from "../../src/chunker/gear-table.ts";
import { treeProfile } from "../../src/chunker/profiles.ts";
import type { SnapshotOptions, SnapshotProblem } from "../../src/engine/snapshot.ts";
import { BlobHasher } from "../../src/repo/blob-codec.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { readableByNobody } from "../helpers/e2e-program.ts";
import { noise } from "../helpers/file-fixtures.ts";
import { needsRoot } from "../helpers/needs-root.ts";
import type { ChildOptions, ChildReport } from "../helpers/snapshot-child.ts";
import { hostOf, type Place, withPlace, withRepository } from "../helpers/snapshot-place.ts";
import {
  assertClean,
  assertNewestShows,
  bytesIn,
  namesIn,
  newest,
  takeSnapshot,
  watchWalk,
} from "../helpers/snapshot-runs.ts";
import { chunksOf, entriesOf, shownBySnapshot, shownOnDisk } from "../helpers/snapshot-shown.ts";

const MiB = 1024 * 1024;

/** Takes a snapshot; `change` is called when the walk has looked at a file and nobody opened it. */
async function whileWalking(
  repo: Repository,
  place: Place,
  change: (path: string) => void,
  more: Partial<SnapshotOptions> = {},
) {
  const problems: SnapshotProblem[] = [];
  const walks = watchWalk((path) => change(path.slice(place.root.length + 1)));
  const onProblem = (problem: SnapshotProblem) => problems.push(problem);
  const result = await takeSnapshot(repo, place.root, { walks, onProblem, ...more });
  const told = problems.map(({ path, code, severity }) => {
    return `${severity} ${code} ${path.slice(place.root.length + 1)}`;
  });
  return { ...result, told: told.sort() };
}

test("files that vanish, shrink, grow or are replaced before they are opened", async () => {
  await withRepository(async (repo, place) => {
    const kinds = ["shrinks", "grows", "to-fifo", "to-folder", "to-link", "to-other", "vanishes"];
    for (const name of ["a-steady", ...kinds, "z-steady"]) place.write(name, noise(5000, 1));
    const changes: Record<string, (path: string) => void> = {
      shrinks: (path) => fs.truncateSync(path, 100),
      grows: (path) => fs.appendFileSync(path, noise(9000, 2)),
      vanishes: (path) => fs.unlinkSync(path),
      "to-fifo": (path) => {
        fs.unlinkSync(path);
        assert.equal(spawnSync("mkfifo", [path]).status, 0);
      },
      "to-folder": (path) => {
        fs.unlinkSync(path);
        fs.mkdirSync(path);
      },
      "to-link": (path) => {
        fs.unlinkSync(path);
        fs.symlinkSync("a-steady", path);
      },
      "to-other": (path) => {
        fs.writeFileSync(`${path}.new`, noise(7000, 3));
        fs.renameSync(`${path}.new`, path);
      },
    };
    const { told, snapshot, progress } = await whileWalking(repo, place, (name) => {
      changes[name]?.(place.at(name));
    });
    assert.deepEqual(told, [
      "error ELOOP to-link",
      "error ESTALE to-fifo",
      "error ESTALE to-folder",
      "note ENOENT vanishes",
    ]);
    assert.equal(snapshot.problems, 3);
    assert.equal(progress.newFiles, snapshot.totals.files, "what was not read is not new");
    const shown = shownOnDisk(place.root);
    // What is left out was told; everything else is shown as it was when it was opened.
    const missing = ["to-fifo", "to-folder", "to-link"];
    const expected = Object.entries(shown).filter(
      ([path]) => !missing.some((m) => path.endsWith(m)),
    );
    const folderLine = ([path, line]: [string, string]) => [path, path === place.root ? "" : line];
    await repo.loadIndex();
    const got = await shownBySnapshot(repo, await newest(repo), place.root);
    assert.deepEqual(
      Object.fromEntries(Object.entries(got).map(folderLine)),
      Object.fromEntries(expected.map(folderLine)),
    );
    // The next run takes in what the first could not.
    const second = await takeSnapshot(repo, place.root);
    assert.equal(second.snapshot.problems, 0);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
  });
});

test("a folder that vanishes during the walk is a note", async () => {
  await withRepository(async (repo, place) => {
    place.write("a/file", "a");
    place.write("b/file", "b");
    place.write("c/file", "c");
    const { told, snapshot } = await whileWalking(repo, place, (name) => {
      if (name === "a/file") fs.rmSync(place.at("b"), { recursive: true });
    });
    assert.deepEqual(told, ["note ENOENT b"]);
    assert.equal(snapshot.problems, 0);
    await assertClean(repo);
  });
});

test("a file may cross the size from which files are large, in both directions", async () => {
  await withRepository(async (repo, place) => {
    place.write("grows", noise(3 * MiB, 1));
    place.write("shrinks", noise(6 * MiB, 2));
    place.write("edge", noise(4 * MiB, 3));
    place.write("below-edge", noise(4 * MiB - 1, 4));
    place.write("just-over", noise(4 * MiB - 1, 5));
    const { told } = await whileWalking(repo, place, (name) => {
      if (name === "grows") fs.appendFileSync(place.at(name), noise(3 * MiB, 6));
      if (name === "shrinks") fs.truncateSync(place.at(name), MiB);
      if (name === "just-over") fs.appendFileSync(place.at(name), noise(2, 7));
    });
    assert.deepEqual(told, []);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    await assertClean(repo);
  });
});

/** Calls `change` when the first pack comes: large files are then still being read. */
function atFirstPack(store: FaultStore, change: () => void): void {
  let isDone = false;
  store.reset({
    beforeOperation: (kind, name) => {
      if (isDone || kind !== "put" || !name.startsWith("packs/")) return;
      isDone = true;
      change();
    },
  });
}

const largeBytes = 64 * MiB;

test("a large file that grows while it is read is stored as far as it was", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      place.write("large", noise(largeBytes, 1));
      const shown = shownOnDisk(place.root);
      atFirstPack(store, () => fs.appendFileSync(place.at("large"), "more"));
      const { told } = await whileWalking(repo, place, () => undefined);
      assert.deepEqual(told, []);
      await assertNewestShows(repo, place.root, shown);
      const next = await takeSnapshot(repo, place.root);
      assert.equal(next.progress.readBytes, largeBytes + 4, "it is read again");
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    },
    { store },
  );
});

test("a large file that is cut or rewritten while it is read is told", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      for (const [seed, change] of ["cut", "rewritten"].entries()) {
        place.write("large", noise(largeBytes, 10 + seed));
        atFirstPack(store, () => {
          if (change === "cut") fs.truncateSync(place.at("large"), largeBytes - 10 * MiB);
          else fs.writeFileSync(place.at("large"), noise(largeBytes, 2));
        });
        const { told, snapshot } = await whileWalking(repo, place, () => undefined);
        store.reset();
        assert.deepEqual(told, ["error changed large"], change);
        assert.equal(snapshot.problems, 1);
        // Whatever was read is there and can be read back, and the next run makes it right.
        await repo.loadIndex();
        await shownBySnapshot(repo, await newest(repo), place.root);
        const next = await takeSnapshot(repo, place.root);
        assert.equal(next.snapshot.problems, 0);
        await assertNewestShows(repo, place.root, shownOnDisk(place.root));
      }
      await assertClean(repo);
    },
    { store },
  );
});

test("a large file is cut as if it were cut whole", async () => {
  await withRepository(async (repo, place) => {
    const bytes = noise(50 * MiB + 12_345, 9);
    place.write("large", bytes);
    place.write("same", bytes);
    const { snapshot } = await takeSnapshot(repo, place.root, { threads: 2 });
    assert.ok(snapshot.added.rawBytes < bytes.length * 1.01, "the second adds nothing");
    const table = gearTableFromBytes(repo.keys.gearMaterial);
    const cutter = createCutter({ profile: treeProfile, table }, bytes.length);
    cutter.buffer.set(bytes);
    const hasher = new BlobHasher(repo.keys);
    let at = 0;
    const expected = Array.from(cutter.cut(0, bytes.length, true), (length) => {
      const id = hasher.id(BlobKind.data, bytes.subarray(at, at + length));
      at += length;
      return `${length} ${Buffer.from(id).toString("hex")}`;
    });
    await repo.loadIndex();
    for (const entry of await entriesOf(repo, await newest(repo), place.root)) {
      if (entry.content === undefined) continue;
      const items: string[] = [];
      for await (const { id, length } of chunksOf(repo, entry.content)) {
        items.push(`${length} ${Buffer.from(id ?? []).toString("hex")}`);
      }
      assert.deepEqual(items, expected);
    }
    assert.ok(expected.length > 20);
  });
});

test("holes are neither read nor stored", async () => {
  await withRepository(async (repo, place) => {
    const writeAt = (path: string, parts: readonly [number, Buffer][], size: number) => {
      const fd = fs.openSync(place.at(path), "w");
      for (const [position, bytes] of parts) fs.writeSync(fd, bytes, 0, bytes.length, position);
      fs.ftruncateSync(fd, size);
      fs.closeSync(fd);
    };
    const data = (seed: number) => noise(200_000, seed);
    writeAt(
      "large",
      [
        [0, data(1)],
        [300 * MiB, data(2)],
        [700 * MiB, data(3)],
      ],
      900 * MiB,
    );
    writeAt("small", [[MiB, data(4)]], 3 * MiB);
    writeAt("only-hole", [], 500 * MiB);
    writeAt("small-hole", [], MiB);
    const { snapshot } = await takeSnapshot(repo, place.root);
    assert.ok(snapshot.added.rawBytes < 820_000 + 4 * 4096, `${snapshot.added.rawBytes} bytes`);
    await repo.loadIndex();
    const holes: Record<string, number> = {};
    for (const entry of await entriesOf(repo, await newest(repo), place.root)) {
      const items = entry.content?.items ?? [];
      const name = entry.key.slice(entry.key.lastIndexOf("\0") + 1);
      holes[name] = items.reduce((sum, { id, length }) => sum + (id === null ? length : 0), 0);
    }
    assert.ok((holes["large"] ?? 0) > 899 * MiB);
    assert.ok((holes["small"] ?? 0) > 2.7 * MiB);
    assert.equal(holes["only-hole"], 500 * MiB);
    assert.equal(holes["small-hole"], MiB);
    for (const name of ["large", "only-hole"]) fs.truncateSync(place.at(name), 5 * MiB);
    await takeSnapshot(repo, place.root);
    await assertNewestShows(repo, place.root, shownOnDisk(place.root));
  });
});

const child = fileURLToPath(new URL("../helpers/snapshot-child.js", import.meta.url));

function runChild(place: Place, options: ChildOptions): SpawnSyncReturns<string> {
  const file = options.uid === undefined ? child : readableByNobody(child);
  const args = [file, place.folder, place.root, JSON.stringify(options)];
  return spawnSync(process.execPath, args, { encoding: "utf8" });
}

const inFolder = (folder: string) => ({ store: new LocalStore(folder, { create: true }) });

test("what denies reading is told, left out, and taken in later", { skip: needsRoot }, async () => {
  await withPlace(async (place) => {
    const { store } = inFolder(join(place.folder, "repository"));
    const repo = await place.init({ store });
    place.write("open", "open");
    place.write("secret/file", "secret");
    place.write("secret-file", "secret");
    place.write("secret-large", noise(5 * MiB, 1));
    const nobody = 65_534;
    spawnSync("chown", ["-R", `${nobody}`, place.folder]);
    fs.chmodSync(place.folder, 0o755);
    for (const path of ["secret", "secret-file", "secret-large"]) {
      fs.chownSync(place.at(path), 0, 0);
      fs.chmodSync(place.at(path), 0o700);
    }
    const { status, stdout, stderr } = runChild(place, { uid: nobody });
    assert.equal(status, 0, stderr);
    const report = JSON.parse(stdout) as ChildReport;
    const told = report.problems.map(
      ({ path, code }) => `${code} ${path.slice(place.root.length)}`,
    );
    assert.deepEqual(told.sort(), [
      "EACCES /secret",
      "EACCES /secret-file",
      "EACCES /secret-large",
    ]);
    assert.equal(report.counted, 3);
    await repo.loadIndex();
    const shown = shownOnDisk(place.root);
    const got = await shownBySnapshot(repo, await newest(repo), place.root);
    // The folder itself is known from outside.
    assert.deepEqual(Object.keys(got).sort(), [place.root, place.at("open"), place.at("secret")]);
    assert.equal(got[place.at("open")], shown[place.at("open")]);
    await takeSnapshot(repo, place.root);
    await assertNewestShows(repo, place.root, shown);
    await repo.close();
  });
});

test("an interrupted run leaves a clean repository, and the next goes on from there", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      for (let i = 0; i < 24; i++) place.write(`file-${i}`, noise(MiB, 50 + i));
      const stop = new AbortController();
      let packs = 0;
      store.reset({
        beforeOperation: (kind, name) => {
          if (kind === "put" && name.startsWith("packs/") && ++packs === 8) {
            stop.abort(new Error("stopped"));
          }
        },
      });
      await assert.rejects(takeSnapshot(repo, place.root, { signal: stop.signal }), /stopped/);
      store.reset();
      assert.deepEqual(await namesIn(store, "sessions"), []);
      assert.deepEqual(await namesIn(store, "snapshots"), []);
      assert.equal((await namesIn(store, "index")).length, 1);
      await assertClean(repo);
      // Anybody finds what was stored, without the cache of the run that stored it.
      const stranger = await place.open({ cache: "elsewhere" });
      const { snapshot } = await takeSnapshot(stranger, place.root);
      assert.ok(snapshot.added.rawBytes < 20 * MiB, `${snapshot.added.rawBytes} bytes again`);
      await assertNewestShows(stranger, place.root, shownOnDisk(place.root));
      assert.ok((await bytesIn(store, "packs")) < 24.2 * MiB);
      await assertClean(stranger);
      await stranger.close();
    },
    { store },
  );
});

test("an interrupt before anything was stored, and one at the very end", async () => {
  const store = new FaultStore(new MemoryStore());
  await withRepository(
    async (repo, place) => {
      place.write("file", noise(1000, 1));
      const early = AbortSignal.abort(new Error("early"));
      await assert.rejects(takeSnapshot(repo, place.root, { signal: early }), /early/);
      place.write("file", noise(1000, 2));
      const late = new AbortController();
      store.reset({
        beforeOperation: (kind, name) => {
          if (kind === "put" && name.startsWith("index/")) late.abort(new Error("late"));
        },
      });
      await assert.rejects(takeSnapshot(repo, place.root, { signal: late.signal }), /late/);
      store.reset();
      assert.deepEqual(await namesIn(store, "sessions"), []);
      assert.deepEqual(await namesIn(store, "snapshots"), []);
      await takeSnapshot(repo, place.root);
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
    },
    { store },
  );
});

test("after a kill the next run takes over the packs that were stored", async () => {
  for (const killAfterPacks of [0, 1, 6, 13]) {
    await withPlace(async (place) => {
      const { store } = inFolder(join(place.folder, "repository"));
      for (let i = 0; i < 16; i++) place.write(`file-${i}`, noise(MiB, 100 + i));
      await (await place.init({ store })).close();
      const { signal, stderr } = runChild(place, { killAfterPacks });
      assert.equal(signal, "SIGKILL", stderr);
      const left = (await namesIn(store, "packs")).length;
      assert.ok(left >= killAfterPacks, `${left} packs`);

      const repo = await place.open({ store, host: hostOf(process.pid, () => true) });
      const result = await takeSnapshot(repo, place.root);
      // A pack that got its name while the process died is unknown to the cache.
      const { adoptedPacks } = result;
      assert.ok(adoptedPacks >= killAfterPacks && adoptedPacks <= left, `${adoptedPacks} packs`);
      const total = await bytesIn(store, "packs");
      assert.ok(total < (16.3 + left - adoptedPacks) * MiB, `${total} bytes`);
      await assertNewestShows(repo, place.root, shownOnDisk(place.root));
      await assertClean(repo);
      assert.equal((await takeSnapshot(repo, place.root)).adoptedPacks, 0);
      await repo.close();
    });
  }
});
