/** Golden repositories in the hands of the product: read, checked, restored, and worked with. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fromHex, snapshotId } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { checkRepository } from "../../src/engine/check.ts";
import { prune } from "../../src/engine/prune.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import { parseSecret } from "../../src/repo/crypto/kek.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { bytes, xattrsOf } from "../helpers/file-calls.ts";
import { rootTest } from "../helpers/needs-root.ts";
import { assertClean, takeSnapshot } from "../helpers/snapshot-runs.ts";
import {
  expectedOf,
  type GoldenName,
  goldenKey,
  goldenNames,
  goldenPassphrase,
  openGolden,
  withGolden,
} from "./fixture.ts";
import type { JsonObject } from "./reader-bytes.ts";
import { showCatalog, showRepository } from "./show-repository.ts";

for (const name of goldenNames) {
  for (const [what, secret] of [
    ["key file", goldenKey] as const,
    ["passphrase", goldenPassphrase] as const,
  ]) {
    test(`${name}: the product reads what is expected, with the ${what}`, () =>
      withGolden(name, async (repository, work) => {
        const repo = await openGolden(repository, work, parseSecret(secret));
        assert.deepEqual(await showRepository(repo), expectedOf(name));
        await repo.close();
      }));
  }

  test(`${name}: check is clean, of structure and data`, () =>
    withGolden(name, async (repository, work) => {
      const repo = await openGolden(repository, work);
      const report = await checkRepository(repo, { readData: true, threads: 1 });
      assert.deepEqual(report.damage, []);
      const expected = expectedOf(name);
      const packs = Object.values(expected["packs"] as Record<string, JsonObject>);
      const inState = (state: string) => packs.filter((pack) => pack["state"] === state).length;
      assert.equal(report.dyingPacks, inState("dead"));
      assert.equal(report.orphanPacks, inState("unlisted"));
      assert.equal(report.data?.packs, inState("living") + inState("unlisted"));
      await repo.close();
    }));
}

async function recordOf(repo: Repository, series: string) {
  const record = (await repo.snapshots()).find(({ snapshot }) => snapshot.series === series);
  assert.ok(record !== undefined, series);
  return record;
}

function listOf(name: GoldenName, root: Uint8Array): readonly JsonObject[] {
  const catalogs = expectedOf(name)["catalogs"] as Record<string, JsonObject>;
  return catalogs[Buffer.from(root).toString("hex")]?.["list"] as readonly JsonObject[];
}

/** What a machine may deny even to root, or a file system cannot hold. */
function isMachines({ operation, path }: { operation: string; path: string }): boolean {
  const isTime = /first time|last time/.test(path);
  const isNode = /\/(tty|disk)$/.test(path) || operation.startsWith("xattr security.");
  return isTime || isNode || /large numbers/.test(path);
}

for (const name of goldenNames) {
  rootTest(`${name}: everything is restored as it was`, () =>
    withGolden(name, async (repository, work) => {
      const repo = await openGolden(repository, work);
      await repo.loadIndex();
      const record = await recordOf(repo, "everything");
      const target = join(work, "target");
      const result = await restoreSnapshot(repo, record, {
        target: target as RawPath,
        threads: 1,
        verify: true,
        numericOwner: true,
      });
      assert.deepEqual(
        result.firstProblems.filter((problem) => !isMachines(problem)),
        [],
      );
      const list = listOf(name, record.snapshot.root);
      const failed = new Set(result.firstProblems.map(({ path }) => path as string));
      for (const entry of list) {
        if (!failed.has(String(entry["path"]))) assertRestored(target, entry);
      }
      assert.ok(list.length > 35 && failed.size < 8);
      const inodes = (...names: string[]) =>
        new Set(names.map((each) => fs.lstatSync(join(target, "golden", each)).ino)).size;
      assert.equal(inodes("linked", "private/linked too"), 1);
      assert.equal(inodes("linked", "other device"), 2);
      assert.equal(inodes("symlink with names", "symlink, second name"), 1);
      await repo.close();
    }),
  );
}

function assertRestored(target: string, entry: JsonObject): void {
  const raw = `${target}${entry["path"]}`;
  const path = bytes(raw);
  const stat = fs.lstatSync(path, { bigint: true });
  const what = JSON.stringify(entry);
  if (entry["type"] !== "symlink")
    assert.equal(stat.mode & 0o7777n, BigInt(Number(entry["mode"])), what);
  const time = BigInt(String(entry["mtimeNs"]));
  // What ext4 can hold.
  if (time > -(2n ** 31n) * 10n ** 9n) assert.equal(stat.mtimeNs, time, what);
  if (process.getuid?.() === 0)
    assert.deepEqual([Number(stat.uid), Number(stat.gid)], [entry["uid"], entry["gid"]], what);
  if (entry["type"] === "symlink") {
    assert.equal(fs.readlinkSync(path, "buffer").toString("latin1"), entry["target"]);
  }
  if (entry["type"] === "file") assertContent(path, entry);
  const xattrs = (entry["xattrs"] ?? []) as readonly (readonly [string, string])[];
  const plain = xattrs.filter(([each]) => each.startsWith("user."));
  const found = xattrsOf(raw).filter(([each]) => each.startsWith("user."));
  assert.equal(found.length, plain.length, what);
}

/** The bytes between the holes, and no blocks for the holes. */
function assertContent(path: Buffer, entry: JsonObject): void {
  const size = Number(entry["size"]);
  const fd = fs.openSync(path, "r");
  const hash = createHash("sha256");
  let at = 0;
  for (const [start, length] of [...(entry["holes"] as number[][]), [size, 0]] as [
    number,
    number,
  ][]) {
    const data = Buffer.alloc(start - at);
    assert.equal(fs.readSync(fd, data, 0, data.length, at), data.length);
    hash.update(data);
    at = start + length;
  }
  const { size: found, blocks } = fs.fstatSync(fd);
  fs.closeSync(fd);
  assert.equal(found, size);
  assert.equal(hash.digest("hex"), entry["sha256"]);
  assert.ok(blocks * 512 < 100_000 || (entry["holes"] as unknown[]).length === 0);
}

test("work goes on in a golden repository, and harms nothing that it holds", () =>
  withGolden("aes-256-gcm", async (repository, work) => {
    const repo = await openGolden(repository, work);
    const source = join(work, "source");
    fs.mkdirSync(source);
    fs.writeFileSync(join(source, "new"), "something new");
    const { id } = await takeSnapshot(repo, source);
    assert.ok(id !== undefined);
    const first = await prune(repo, { maxUnused: { kind: "bytes", bytes: 0 } });
    // The session that was alive at the old tombstone's mark still has its lease.
    assert.ok((first.sweep?.waitingPacks ?? 0) > 0);
    await repo.loadIndex();
    const expected = expectedOf("aes-256-gcm");
    const existing = (await repo.snapshots()).map((record) => record.id as string);
    for (const [each, facts] of Object.entries(
      expected["snapshots"] as Record<string, JsonObject>,
    )) {
      assert.equal(existing.includes(snapshotId(each)), facts["exists"]);
      if (facts["exists"] !== true) continue;
      const root = String(facts["root"]);
      const catalog = (expected["catalogs"] as Record<string, JsonObject>)[root];
      assert.deepEqual(await showCatalog(repo, fromHex(root)), catalog);
    }
    await assertClean(repo);
    await repo.close();
  }));
