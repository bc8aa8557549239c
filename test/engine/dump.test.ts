import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { EntryType } from "../../src/base/entry.ts";
import { type CatalogKey, type RawPath, rawPathFromText } from "../../src/base/raw-path.ts";
import { type DumpProblem, dumpArchive, dumpFile } from "../../src/engine/dump.ts";
import { createSnapshot } from "../../src/engine/snapshot.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import { compareTrees, makeRichTree, noise, removeTree } from "../helpers/file-fixtures.ts";
import { needsRoot } from "../helpers/needs-root.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";
import { file, folder, makeSnapshot, symlink } from "./restore-snapshots.ts";

const keyOf = (text: string) => text.replaceAll("/", "\0") as CatalogKey;

const inPlace = (use: (repo: Repository, top: string) => Promise<void>) =>
  withFolder(async (top) => {
    const repo = await makeRepository(top);
    await use(repo, top);
    await repo.close();
  });

function collector() {
  const pieces: Buffer[] = [];
  const write = async (bytes: Uint8Array) => {
    pieces.push(Buffer.from(bytes));
  };
  return { write, bytes: () => Buffer.concat(pieces) };
}

async function dumped(repo: Repository, record: SnapshotRecord, key: string): Promise<Buffer> {
  const { write, bytes } = collector();
  await dumpFile(repo, record, keyOf(key), write, { threads: 2 });
  return bytes();
}

test("a file comes out whole: chunks, holes, lists, repeats, nothing at all", async () => {
  await inPlace(async (repo) => {
    const pieces = Array.from({ length: 1500 }, (_, n) => noise(9000, n % 700));
    const record = await makeSnapshot(repo, [
      file("/a/empty"),
      file("/a/hole", 600_000),
      file("/a/large", ...pieces, 70_000, "end"),
    ]);
    assert.equal((await dumped(repo, record, "a/empty")).length, 0);
    assert.ok((await dumped(repo, record, "a/hole")).equals(Buffer.alloc(600_000)));
    const expected = Buffer.concat([...pieces, Buffer.alloc(70_000), Buffer.from("end")]);
    assert.ok((await dumped(repo, record, "a/large")).equals(expected));
  });
});

test("what is no file is refused, and what is absent is absent", async () => {
  await inPlace(async (repo) => {
    const record = await makeSnapshot(repo, [folder("/a"), symlink("/l", "a")]);
    await assert.rejects(dumped(repo, record, "a"), { code: "usage" });
    await assert.rejects(dumped(repo, record, "l"), { code: "usage" });
    await assert.rejects(dumped(repo, record, ""), { code: "usage" });
    await assert.rejects(dumped(repo, record, "a/x"), { code: "path-absent" });
  });
});

test("a dump stops at the first byte that cannot be had, and names the path", async () => {
  await inPlace(async (repo, top) => {
    const record = await makeSnapshot(repo, [
      file("/a/f", ...[1, 2, 3].map((n) => noise(9000, n))),
    ]);
    const folders = fs.readdirSync(path.join(top, "repository/packs"), { recursive: true });
    const packs = folders.map(String).filter((name) => name.length > 60);
    for (const name of packs) {
      const pack = path.join(top, "repository/packs", name);
      const bytes = fs.readFileSync(pack);
      if (bytes.length < 20_000) continue;
      bytes[12_000] = (bytes[12_000] ?? 0) ^ 1;
      fs.chmodSync(pack, 0o600);
      fs.writeFileSync(pack, bytes);
    }
    await assert.rejects(dumped(repo, record, "a/f"), { code: "blob-damaged", message: /\/a\/f/ });
  });
});

test("an output that fails ends the dump with its error", async () => {
  await inPlace(async (repo) => {
    const record = await makeSnapshot(repo, [file("/a/f", noise(300_000), noise(300_000, 2))]);
    const write = async () => {
      throw new Error("EPIPE");
    };
    for (const format of ["tar", "zip"] as const) {
      await assert.rejects(dumpArchive(repo, record, keyOf("a"), format, write), /EPIPE/);
    }
    await assert.rejects(dumpFile(repo, record, keyOf("a/f"), write), /EPIPE/);
  });
});

async function archive(
  repo: Repository,
  record: SnapshotRecord,
  key: string,
  format: "tar" | "zip",
) {
  const { write, bytes } = collector();
  const problems: DumpProblem[] = [];
  const result = await dumpArchive(repo, record, keyOf(key), format, write, {
    threads: 2,
    onProblem: (problem) => problems.push(problem),
  });
  assert.equal(result.problems, problems.length);
  return { bytes: bytes(), problems: problems.map(({ path: name }) => name), result };
}

test("one of everything goes through a tar and back", { skip: needsRoot }, async () => {
  await inPlace(async (repo, top) => {
    const source = path.join(top, "source");
    const out = path.join(top, "out");
    fs.mkdirSync(source);
    fs.mkdirSync(out);
    try {
      const { deepFile, sparse } = await makeRichTree(source);
      // Holes are zeros in a tar, and these are very large.
      for (const name of sparse) fs.rmSync(Buffer.from(path.join(source, name), "latin1"));
      // GNU tar opens members by their whole name, which the system allows 4,096 bytes.
      removeTree(path.join(source, deepFile.split("/")[0] ?? ""));
      const roots = [rawPathFromText(source)];
      await createSnapshot(repo, { roots, walk: {}, host: "h", tags: [], threads: 2 });
      const record = (await repo.snapshots()).at(-1);
      assert.ok(record);
      const { bytes, problems } = await archive(repo, record, source.slice(1), "tar");
      assert.deepEqual(problems, []);
      const flags = [
        "--xattrs",
        "--xattrs-include=*",
        "--same-owner",
        "--warning=no-timestamp",
        "-xpf",
        "-",
      ];
      const tar = spawnSync("tar", ["-C", out, ...flags], { input: bytes, encoding: "latin1" });
      assert.equal(tar.stderr, "");
      assert.deepEqual(compareTrees(source, path.join(out, "source")), []);
    } finally {
      removeTree(out);
      removeTree(source);
    }
  });
});

test("names in a tar begin with the folder's own; further names are links", async () => {
  await inPlace(async (repo) => {
    const linked = { hardLink: 0, inode: 9n, mtimeNs: 1n, pieces: ["shared"] };
    const record = await makeSnapshot(repo, [
      { path: "/var/www/a", ...linked },
      { path: "/var/www/b", ...linked },
      file("/var/www/c", "c"),
      { ...file("/var/www/utf8-\xc3\xa4"), mtimeNs: -1_500_000_000n, uid: 4_000_000 },
      { path: "/var/www/dev", type: EntryType.charDevice, rdevMajor: 1, rdevMinor: 3 },
      file(`/var/www/${"long".repeat(60)}`, "x"),
    ]);
    const { bytes, result } = await archive(repo, record, "var/www", "tar");
    assert.equal(bytes.length % 512, 0);
    assert.deepEqual([result.entries, result.problems], [7, 0]);
    const list = spawnSync("tar", ["-tvf", "-", "--numeric-owner", "--full-time", "--utc"], {
      input: bytes,
      encoding: "utf8",
      env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" },
    });
    assert.equal(list.stderr, "");
    const lines = list.stdout.trim().split("\n");
    assert.deepEqual(
      lines.map((line) => line.replace(/^.*:\d\d(\.\d+)? +/, "")),
      [
        "www/",
        "www/a",
        "www/b link to www/a",
        "www/c",
        "www/dev",
        `www/${"long".repeat(60)}`,
        "www/utf8-\u00e4",
      ],
    );
    assert.match(lines[6] ?? "", /4000000\/.* 1969-12-31 23:59:5/);
    assert.match(lines[4] ?? "", /^c.*1,3/);
    const whole = await archive(repo, record, "", "tar");
    const names = spawnSync("tar", ["-tf", "-"], { input: whole.bytes, encoding: "utf8" });
    assert.deepEqual(names.stdout.split("\n").slice(0, 3), ["var/", "var/www/", "var/www/a"]);
  });
});

interface Zipped {
  readonly name: string;
  readonly mode: number;
  readonly seconds: number;
  readonly content: string;
}

/** A reader of its own: the central directory, then each local header (APPNOTE.TXT 4.3). */
function readZip(zip: Buffer): Zipped[] {
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  const count = zip.readUInt16LE(end + 10);
  const members: Zipped[] = [];
  for (let n = 0, at = zip.readUInt32LE(end + 16); n < count; n++) {
    assert.equal(zip.readUInt32LE(at), 0x02014b50);
    const [nameLength, extraLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)];
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const stored = zip.subarray(start, start + zip.readUInt32LE(at + 20));
    const content = zip.readUInt16LE(at + 10) === 8 ? inflateRawSync(stored) : stored;
    assert.equal(content.length, zip.readUInt32LE(at + 24));
    members.push({
      name: zip.toString("utf8", at + 46, at + 46 + nameLength),
      mode: zip.readUInt32LE(at + 38) >>> 16,
      // The extra field begins with Info-ZIP's time: id, length, flags, seconds.
      seconds: zip.readInt32LE(at + 46 + nameLength + 5),
      content: content.toString("latin1"),
    });
    at += 46 + nameLength + extraLength + zip.readUInt16LE(at + 32);
  }
  return members;
}

test("a zip has files, folders and links; what it cannot hold is told", async () => {
  await inPlace(async (repo) => {
    const record = await makeSnapshot(repo, [
      { ...folder("/d"), mode: 0o750, mtimeNs: 1_700_000_000_900_000_000n },
      {
        ...file("/d/big", noise(400_000), 100_000),
        mode: 0o4711,
        mtimeNs: 1_500_000_000n * 10n ** 9n,
      },
      file("/d/empty"),
      { path: "/d/fifo", type: EntryType.fifo },
      symlink("/d/link", "\xff/x"),
      file("/d/not\xffutf8", "n"),
      file("/d/back\\slash", "b"),
      file("/d/\xc3\xa4", "ae"),
    ]);
    const { bytes, problems } = await archive(repo, record, "d", "zip");
    assert.deepEqual(problems, ["/d/back\\slash", "/d/fifo", "/d/not\xffutf8"] as RawPath[]);
    const members = readZip(bytes);
    assert.deepEqual(
      members.map(({ name, mode }) => `${name} ${mode.toString(8)}`),
      [
        "d/ 40750",
        "d/back_slash 100644",
        "d/big 104711",
        "d/empty 100644",
        "d/link 120644",
        "d/not_xffutf8 100644",
        "d/\u00e4 100644",
      ],
    );
    const expected = Buffer.concat([noise(400_000), Buffer.alloc(100_000)]).toString("latin1");
    assert.equal(members[2]?.content, expected);
    assert.equal(members[2]?.seconds, 1_500_000_000);
    assert.equal(members[4]?.content, "\xff/x");
  });
});

test("times that a zip cannot hold are the nearest that it can, and told", async () => {
  await inPlace(async (repo) => {
    const record = await makeSnapshot(repo, [
      { ...folder("/d"), mtimeNs: 0n },
      { ...file("/d/early", "e"), mtimeNs: -1_500_000_000n },
      { ...file("/d/last", "l"), mtimeNs: 0x7fffffffn * 10n ** 9n },
      { ...file("/d/late", "l"), mtimeNs: 2_208_988_800n * 10n ** 9n },
    ]);
    const { bytes, problems } = await archive(repo, record, "d", "zip");
    assert.deepEqual(problems, ["/d/early", "/d/late"] as RawPath[]);
    const seconds = readZip(bytes).map((member) => member.seconds);
    assert.deepEqual(seconds, [0, 0, 0x7fffffff, 0x7fffffff]);
  });
});
