import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { EntryType } from "../../src/base/entry.ts";
import { type CatalogKey, type RawPath, rawPathFromText } from "../../src/base/raw-path.ts";
import {
  type RestoreOptions,
  type RestoreProblem,
  restoreSnapshot,
} from "../../src/engine/restore.ts";
import { createSnapshot } from "../../src/engine/snapshot.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import { readableByNobody } from "../helpers/e2e-program.ts";
import { mknod, setTimes, setXattr, xattrsOf } from "../helpers/file-calls.ts";
import { compareTrees, makeRichTree, removeTree } from "../helpers/file-fixtures.ts";
import { needsRoot } from "../helpers/needs-root.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";
import { file, folder, type Made, makeSnapshot, symlink, timeOf } from "./restore-snapshots.ts";

const mib = 1 << 20;

const keyOf = (text: string) => text.replaceAll("/", "\0") as CatalogKey;

interface Place {
  readonly repo: Repository;
  /** The restore target; absent at first. */
  readonly target: string;
  at(...names: string[]): string;
  restore(
    record: SnapshotRecord,
    more?: Partial<RestoreOptions>,
  ): Promise<Awaited<ReturnType<typeof restoreSnapshot>> & { told: RestoreProblem[] }>;
}

async function inPlace(use: (place: Place) => Promise<void>): Promise<void> {
  await withFolder(async (top) => {
    const repo = await makeRepository(top);
    const target = path.join(top, "target");
    const place: Place = {
      repo,
      target,
      at: (...names) => path.join(target, ...names),
      restore: async (record, more = {}) => {
        const told: RestoreProblem[] = [];
        const result = await restoreSnapshot(repo, record, {
          target: rawPathFromText(target),
          threads: 2,
          onProblem: (problem) => told.push(problem),
          ...more,
        });
        return { ...result, told };
      },
    };
    try {
      await use(place);
    } finally {
      removeTree(target);
      await repo.close();
    }
  });
}

/** All paths below `top`, relative, folders with "/". */
function pathsIn(top: string, at = ""): string[] {
  return fs.readdirSync(path.join(top, at), { withFileTypes: true }).flatMap((item) => {
    const name = path.join(at, item.name);
    return item.isDirectory() ? [`${name}/`, ...pathsIn(top, name)] : [name];
  });
}

const text = (...names: string[]) => fs.readFileSync(path.join(...names), "utf8");

const small: Made[] = [
  file("/home/a/one", "first ", "second"),
  file("/home/a/two", "two"),
  file("/home/b/three", "three"),
  symlink("/home/link", "a/one"),
];

test("one of everything comes back exactly", { skip: needsRoot }, async () => {
  await inPlace(async ({ repo, target, restore }) => {
    const source = fs.mkdtempSync(path.join(os.tmpdir(), "varve-rich-"));
    try {
      await makeRichTree(source);
      const roots = [rawPathFromText(source)];
      await createSnapshot(repo, { roots, walk: {}, host: "h", tags: [], threads: 2 });
      const record = (await repo.snapshots()).at(-1);
      assert.ok(record);
      const strip = source.split("/").length - 1;
      const result = await restore(record, { strip, verify: true });
      assert.deepEqual(result.told, []);
      assert.equal(result.failed, 0);
      assert.ok(result.verified >= result.files && result.files > 50);
      assert.ok(result.hardLinks > 0 && result.specials > 0 && result.symlinks > 0);
      // The target itself is the user's; what is in it is the snapshot's.
      fs.chmodSync(target, fs.statSync(source).mode & 0o7777);
      const { atimeMs } = fs.statSync(target);
      assert.ok(atimeMs > 0);
      const differences = compareTrees(source, target).filter((line) => !line.startsWith('"":'));
      assert.deepEqual(differences, []);
      const again = await restore(record, { strip, overwrite: "if-changed", delete: true });
      assert.deepEqual(again.told, []);
      assert.deepEqual([again.files, again.symlinks, again.deleted, again.failed], [0, 0, 0, 0]);
      assert.deepEqual(
        compareTrees(source, target).filter((line) => !line.startsWith('"":')),
        [],
      );
    } finally {
      removeTree(source);
    }
  });
});

test("everything, some paths, and stripped paths", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, small);
    const whole = await restore(record);
    assert.deepEqual([whole.files, whole.folders, whole.symlinks], [3, 3, 1]);
    assert.equal(whole.bytes, 20);
    assert.equal(text(at("home/a/one")), "first second");
    assert.equal(fs.statSync(at("home/a"), { bigint: true }).mtimeNs, timeOf("/home/a"));
    removeTree(target);
    const some = await restore(record, { paths: [keyOf("home/b"), keyOf("home/a/two")] });
    assert.equal(some.failed, 0);
    const expected = ["home/", "home/a/", "home/a/two", "home/b/", "home/b/three"];
    assert.deepEqual(pathsIn(target).sort(), expected);
    assert.equal(fs.statSync(at("home"), { bigint: true }).mtimeNs, timeOf("/home"));
    removeTree(target);
    await restore(record, { paths: [keyOf("home/a")], strip: 2 });
    assert.deepEqual(pathsIn(target).sort(), ["one", "two"]);
    await assert.rejects(restore(record, { paths: [keyOf("home/x")] }), { code: "path-absent" });
  });
});

test("folders on the way that stood there keep their attributes", async () => {
  await inPlace(async ({ repo, at, restore }) => {
    const record = await makeSnapshot(repo, small);
    fs.mkdirSync(at("home"), { recursive: true, mode: 0o711 });
    await restore(record, { paths: [keyOf("home/a/two")] });
    assert.equal(fs.statSync(at("home")).mode & 0o777, 0o711);
    assert.equal(fs.statSync(at("home/a")).mode & 0o777, 0o755);
  });
});

test("content of all shapes: empty, holes, repeats, long lists, many windows", async () => {
  await inPlace(async ({ repo, at, restore }) => {
    const chunk = (n: number) => Buffer.alloc(1 << 20, n);
    const many = Array.from({ length: 3000 }, (_, n) => `${n % 1500}.`.padEnd(40, "x"));
    const large = Array.from({ length: 150 }, (_, n) => chunk(n % 90));
    const made = [
      file("/a/empty"),
      file("/a/hole", 5 * mib),
      file("/a/holes", "x", mib, "y", 3),
      file("/a/large", ...large),
      file("/a/list", ...many, 100),
      file("/a/repeats", ...Array.from({ length: 50 }, () => "again")),
      file("/b/same", chunk(3), chunk(89)),
    ];
    const record = await makeSnapshot(repo, made);
    const result = await restore(record, { verify: true });
    assert.deepEqual(result.told, []);
    assert.equal(result.verified, made.length);
    for (const { path: name, pieces = [] } of made) {
      const parts = pieces.map((each) =>
        typeof each === "number" ? Buffer.alloc(each) : Buffer.from(each),
      );
      assert.ok(fs.readFileSync(at(name)).equals(Buffer.concat(parts)), name);
    }
    assert.equal(fs.statSync(at("a/hole")).blocks, 0);
    await restore(record, { sparse: true, verify: true });
    assert.equal(fs.statSync(at("a/large")).size, 150 * mib);
    // A file system may count blocks of its own for where the data lie.
    const beyondData = fs.statSync(at("a/large")).blocks * 512 - 148 * mib;
    assert.ok(beyondData >= 0 && beyondData < mib, `${beyondData} bytes beyond the data`);
  });
});

test("hard links are one file again, across folders and in any selection", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const shared = { pieces: ["shared"], hardLink: 0, inode: 7n, mtimeNs: 5n };
    const link = { type: EntryType.symlink, linkTarget: "x" as RawPath, hardLink: 0, inode: 8n };
    const record = await makeSnapshot(repo, [
      { path: "/a/1", ...shared },
      { path: "/a/2", ...shared },
      { path: "/b/3", ...shared },
      { path: "/b/other", pieces: ["other"], hardLink: 1, inode: 7n },
      { path: "/c/link1", ...link, mtimeNs: 6n },
      { path: "/c/link2", ...link, mtimeNs: 6n },
    ]);
    const result = await restore(record);
    assert.deepEqual([result.files, result.hardLinks, result.failed], [2, 3, 0]);
    const inode = (name: string) => fs.lstatSync(at(name)).ino;
    assert.equal(inode("a/1"), inode("a/2"));
    assert.equal(inode("a/1"), inode("b/3"));
    assert.notEqual(inode("a/1"), inode("b/other"));
    assert.equal(inode("c/link1"), inode("c/link2"));
    const again = await restore(record, { overwrite: "if-changed" });
    assert.deepEqual([again.files, again.hardLinks], [0, 0]);
    fs.rmSync(at("a/2"));
    const mended = await restore(record, { overwrite: "if-changed" });
    assert.deepEqual([mended.files, mended.hardLinks], [0, 1]);
    assert.equal(inode("a/1"), inode("a/2"));
    removeTree(target);
    await restore(record, { paths: [keyOf("b")] });
    assert.equal(text(at("b/3")), "shared");
  });
});

test("nothing is written through links that stand in the target", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const outside = `${target}-outside`;
    fs.mkdirSync(path.join(outside, "a"), { recursive: true });
    fs.writeFileSync(path.join(outside, "file"), "precious");
    fs.mkdirSync(target);
    fs.symlinkSync(outside, at("home"));
    const record = await makeSnapshot(repo, [
      ...small,
      folder("/links", {}),
      file("/links/file", "new"),
      file("/links/hard", "new"),
    ]);
    fs.mkdirSync(at("links"));
    fs.symlinkSync(path.join(outside, "file"), at("links/file"));
    fs.linkSync(path.join(outside, "file"), at("links/hard"));
    const result = await restore(record);
    assert.equal(result.failed, 0);
    assert.deepEqual(pathsIn(outside).sort(), ["a/", "file"]);
    assert.equal(text(outside, "file"), "precious");
    assert.ok(fs.lstatSync(at("home")).isDirectory());
    assert.equal(text(at("links/file")), "new");
    const careful = await restore(record, { overwrite: "if-changed", delete: true });
    assert.equal(careful.failed, 0);
    fs.rmSync(outside, { recursive: true });
  });
});

test("what a file shares with the world outside is not touched by if-changed", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, [{ ...file("/f", "same"), mode: 0o777, mtimeNs: 9n }]);
    await restore(record);
    fs.linkSync(at("f"), `${target}-other`);
    fs.chmodSync(at("f"), 0o600);
    const result = await restore(record, { overwrite: "if-changed" });
    assert.equal(result.files, 1);
    assert.equal(fs.statSync(at("f")).mode & 0o777, 0o777);
    assert.equal(fs.statSync(`${target}-other`).mode & 0o777, 0o600);
    fs.chmodSync(at("f"), 0o600);
    const refreshed = await restore(record, { overwrite: "if-changed" });
    assert.deepEqual([refreshed.files, refreshed.unchanged], [0, 1]);
    assert.equal(fs.statSync(at("f")).mode & 0o777, 0o777);
  });
});

test("the overwrite policies", async () => {
  await inPlace(async ({ repo, at, restore }) => {
    const made = [
      { ...file("/f/new", "snapshot"), mtimeNs: 2_000_000_000n },
      { ...file("/f/old", "snapshot"), mtimeNs: 1_000_000_000n },
      { ...file("/f/same", "snapshot"), mtimeNs: 1_500_000_000n },
    ];
    const record = await makeSnapshot(repo, made);
    const prepare = () => {
      fs.mkdirSync(at("f"), { recursive: true });
      for (const name of ["new", "old", "same"]) {
        fs.writeFileSync(at("f", name), "existing");
        fs.utimesSync(at("f", name), 1.5, 1.5);
      }
    };
    const now = () => ["new", "old", "same"].map((name) => text(at("f", name))[0]).join("");
    for (const [overwrite, expected, files] of [
      ["always", "sss", 3],
      ["if-changed", "sse", 2],
      ["if-newer", "see", 1],
      ["never", "eee", 0],
    ] as const) {
      prepare();
      const result = await restore(record, { overwrite });
      assert.equal(now(), expected, overwrite);
      assert.equal(result.files, files, overwrite);
    }
  });
});

test("files and folders that change places", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, [
      file("/x/file-now", "f"),
      file("/x/folder-now/inside", "i"),
      file("/x/full", "f"),
    ]);
    const prepare = () => {
      removeTree(target);
      fs.mkdirSync(at("x/file-now"), { recursive: true });
      fs.mkdirSync(at("x/full/deep"), { recursive: true });
      fs.writeFileSync(at("x/folder-now"), "was a file");
    };
    prepare();
    const result = await restore(record);
    assert.deepEqual(
      result.told.map(({ path: name, code }) => [name, code]),
      [["/x/full", "ENOTEMPTY"]],
    );
    assert.equal(result.failed, 1);
    assert.equal(text(at("x/folder-now/inside")), "i");
    assert.equal(text(at("x/file-now")), "f");
    prepare();
    assert.equal((await restore(record, { delete: true })).failed, 0);
    assert.equal(text(at("x/full")), "f");
    prepare();
    const never = await restore(record, { overwrite: "never" });
    assert.deepEqual([never.files, never.kept, never.failed], [0, 3, 0]);
    assert.equal(text(at("x/folder-now")), "was a file");
  });
});

test("delete removes what the snapshot lacks, and only where it holds all", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const outside = `${target}-outside`;
    fs.mkdirSync(outside);
    fs.writeFileSync(path.join(outside, "keep"), "");
    const record = await makeSnapshot(repo, small, ["/home/a"]);
    await restore(record);
    for (const name of ["top", "home/beside", "home/a/extra"]) fs.writeFileSync(at(name), "");
    fs.mkdirSync(at("home/a/more/deep"), { recursive: true });
    fs.symlinkSync(outside, at("home/a/more/link"));
    fs.symlinkSync(outside, at("home/a/link"));
    const result = await restore(record, { delete: true });
    assert.equal(result.deleted, 5);
    const rest = ["home/", "home/a/", "home/a/one", "home/a/two", "home/b/", "home/b/three"];
    assert.deepEqual(pathsIn(target).sort(), [...rest, "home/beside", "home/link", "top"].sort());
    assert.deepEqual(fs.readdirSync(outside), ["keep"]);
    fs.rmSync(outside, { recursive: true });
  });
});

test("delete with stripped paths cleans the target, unless folders would be merged", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, small, ["/home"]);
    fs.mkdirSync(target);
    fs.writeFileSync(at("extra"), "");
    await restore(record, { paths: [keyOf("home/a")], strip: 2, delete: true });
    assert.deepEqual(pathsIn(target).sort(), ["one", "two"]);
    await assert.rejects(restore(record, { strip: 2, delete: true }), { code: "usage" });
  });
});

test("a dry run tells what would be done and does nothing", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, small, ["/"]);
    const empty = await restore(record, { dryRun: true });
    assert.deepEqual([empty.files, empty.folders, empty.symlinks], [3, 3, 1]);
    assert.equal(fs.existsSync(target), false);
    await restore(record);
    fs.writeFileSync(at("home/a/two"), "changed");
    fs.writeFileSync(at("home/a/extra"), "");
    const actions: string[] = [];
    const result = await restore(record, {
      dryRun: true,
      delete: true,
      overwrite: "if-changed",
      onAction: ({ action, path: name }) => actions.push(`${action} ${name.replace(target, "")}`),
    });
    assert.deepEqual([result.files, result.deleted], [1, 1]);
    const changing = actions.filter((each) => !each.startsWith("unchanged")).sort();
    // The folder's time changed with what was put into it.
    const expected = ["delete /home/a/extra", "replace /home/a", "replace /home/a/two"];
    assert.deepEqual(changing, expected);
    assert.equal(text(at("home/a/two")), "changed");
  });
});

test("temporary files of killed restores are removed, those of living ones are not", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, small);
    await restore(record);
    const name = (pid: number) => at(`home/a/.varve-restore-${pid}-0123456789abcdef-9`);
    fs.writeFileSync(name(4), "");
    await restore(record);
    assert.ok(fs.existsSync(name(4)));
    const context = { ...repo.host, isProcessGone: (pid: number) => pid === 4 };
    Object.assign(repo, { host: context });
    await restore(record);
    assert.ok(!fs.existsSync(name(4)));
    assert.ok(!pathsIn(target).some((each) => each.includes(".varve-restore")));
  });
});

test("a target that is no folder is refused", async () => {
  await inPlace(async ({ repo, target, restore }) => {
    const record = await makeSnapshot(repo, small);
    fs.writeFileSync(target, "a file");
    await assert.rejects(restore(record), { code: "target-refused" });
  });
});

test("it ends when the target is on its disk, and tells when that failed", async () => {
  await inPlace(async ({ repo, target, at, restore }) => {
    const record = await makeSnapshot(repo, small);
    let synced = 0;
    const syncTarget = async (fd: number) => {
      assert.equal(fs.fstatSync(fd).ino, fs.statSync(target).ino);
      assert.ok(fs.existsSync(at("home/a/one")), "all is in its place");
      synced++;
    };
    await restore(record, { syncTarget });
    assert.equal(synced, 1);
    await restore(record, { syncTarget, verify: true });
    assert.equal(synced, 2);
    await restore(record, { syncTarget, dryRun: true });
    assert.equal(synced, 2);
    const failed = await restore(record, {
      syncTarget: () => Promise.reject(Object.assign(new Error("I/O error"), { code: "EIO" })),
    });
    const problems = failed.told.map(({ path: name, operation, code }) => [name, operation, code]);
    assert.deepEqual(problems, [[target, "sync", "EIO"]]);
  });
});

test("stopping leaves only whole files", async () => {
  await inPlace(async ({ repo, target, restore }) => {
    const made = Array.from({ length: 3000 }, (_, n) => file(`/d${n % 7}/f${n}`, `content ${n}`));
    made.push(file("/z/large", ...Array.from({ length: 200 }, (_, n) => Buffer.alloc(1 << 20, n))));
    const record = await makeSnapshot(repo, made);
    const stop = new AbortController();
    let calls = 0;
    const running = restore(record, {
      signal: stop.signal,
      onProgress: () => {
        if (++calls === 500) stop.abort();
      },
    });
    await assert.rejects(running, { code: "interrupted" });
    const left = pathsIn(target);
    assert.ok(!left.some((name) => name.includes(".varve-restore")));
    for (const name of left.filter((each) => !each.endsWith("/"))) {
      if (name.endsWith("/large"))
        assert.equal(fs.statSync(path.join(target, name)).size, 200 * mib);
      else assert.equal(text(target, name), `content ${path.basename(name).slice(1)}`);
    }
    const rest = await restore(record, { overwrite: "if-changed", verify: true });
    assert.deepEqual([rest.failed, rest.verified], [0, 3001]);
    assert.ok(rest.unchanged > 0);
  });
});

test("verify finds a byte that changed, a hole that is none, and what is gone", async () => {
  await inPlace(async ({ repo, at, restore }) => {
    const made = [file("/a/text", "first ", "second"), file("/a/hole", "x", 100_000), file("/a/3")];
    const record = await makeSnapshot(repo, made);
    await restore(record);
    fs.writeFileSync(at("a/text"), "first sEcond");
    fs.writeSync(fs.openSync(at("a/hole"), "r+"), "y", 50_000);
    // As if restored, so that the content is believed; only reading back can tell.
    for (const name of ["text", "hole"]) setTimes(at("a", name), timeOf(`/a/${name}`));
    const result = await restore(record, { overwrite: "if-changed", verify: true });
    assert.equal(result.verified, 1);
    assert.deepEqual(
      result.told.map(({ path: name, operation }) => `${operation} ${name}`).sort(),
      ["verify /a/hole", "verify /a/text"],
    );
    const mended = await restore(record, { verify: true });
    assert.deepEqual([mended.failed, mended.verified], [0, 3]);
  });
});

const unprivileged = path.join(import.meta.dirname, "restore-unprivileged.js");

test("without root: what may be restored is, the rest is told", { skip: needsRoot }, async () => {
  await inPlace(async ({ repo, target }) => {
    const top = path.dirname(target);
    const source = path.join(top, "source");
    fs.mkdirSync(source);
    fs.writeFileSync(path.join(source, "own"), "o", { mode: 0o600 });
    fs.writeFileSync(path.join(source, "read-only"), "r");
    fs.writeFileSync(path.join(source, "roots-setuid"), "s");
    fs.mkdirSync(path.join(source, "closed"));
    fs.writeFileSync(path.join(source, "closed/inside"), "i");
    mknod(path.join(source, "device"), fs.constants.S_IFCHR | 0o666, 1, 3);
    for (const name of ["", "own", "read-only", "closed", "closed/inside"]) {
      fs.chownSync(path.join(source, name), 65534, 65534);
    }
    setXattr(path.join(source, "read-only"), "user.note", Buffer.from("kept"));
    fs.chmodSync(path.join(source, "read-only"), 0o444);
    fs.chmodSync(path.join(source, "roots-setuid"), 0o4755);
    fs.chmodSync(path.join(source, "closed"), 0o055);
    const roots = [rawPathFromText(source)];
    await createSnapshot(repo, { roots, walk: {}, host: "h", tags: [], threads: 1 });
    fs.mkdirSync(target);
    fs.chmodSync(top, 0o755);
    for (const name of [top, target, "cache", "repository"].flatMap((each) =>
      path.isAbsolute(each) ? [each] : [each, ...pathsIn(top, each)].map((n) => path.join(top, n)),
    )) {
      fs.chownSync(name, 65534, 65534);
    }
    const run = (overwrite: string) => {
      const script = readableByNobody(unprivileged);
      const child = spawnSync(process.execPath, [script, top, target, overwrite], {
        uid: 65534,
        gid: 65534,
        encoding: "utf8",
        env: { PATH: process.env["PATH"] ?? "" },
      });
      assert.equal(child.stderr, "");
      return JSON.parse(child.stdout) as Record<string, unknown>;
    };
    for (const overwrite of ["always", "if-changed"]) {
      const result = run(overwrite);
      const device = path.join(source, "device");
      assert.deepEqual(result["told"], [`create ${device} EPERM`], overwrite);
      assert.equal(result["failed"], 1);
      const out = path.join(target, source);
      const mode = (name: string) => (fs.statSync(path.join(out, name)).mode & 0o7777).toString(8);
      assert.deepEqual(["own", "read-only", "roots-setuid", "closed"].map(mode), [
        "600",
        "444",
        "755",
        "55",
      ]);
      assert.equal(fs.statSync(path.join(out, "roots-setuid")).uid, 65534);
      assert.equal(text(out, "closed/inside"), "i");
      assert.deepEqual(
        xattrsOf(path.join(out, "read-only")).map(([name]) => name),
        ["user.note"],
      );
    }
  });
});
