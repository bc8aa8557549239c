/**
 * Makes the golden repositories (scripts/make-golden.mjs), with a history that leaves one of
 * everything behind. Clock and randomness stand still as far as they are passed in. What was put in
 * is compared with what the product says of it, before expected.json is written.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Random } from "../../src/base/clock.ts";
import { keySlotId, type PackId, packId, snapshotId, toHex } from "../../src/base/ids.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { forgetSnapshots } from "../../src/engine/forget.ts";
import { prune } from "../../src/engine/prune.ts";
import { BlobHasher } from "../../src/repo/blob-codec.ts";
import { type BlobWriter, withBlobWriter } from "../../src/repo/blob-writer.ts";
import { endsNode } from "../../src/repo/catalog/catalog-cuts.ts";
import { formatKeyFile, type Secret } from "../../src/repo/crypto/kek.ts";
import { listCutBelow } from "../../src/repo/format/content-list.ts";
import { fenceName } from "../../src/repo/format/fence.ts";
import { packObject } from "../../src/repo/format/object-names.ts";
import { BlobKind } from "../../src/repo/format/pack-table.ts";
import type { Snapshot } from "../../src/repo/format/snapshot.ts";
import { mergeIndexObjects } from "../../src/repo/index-writer.ts";
import { createKeySlot } from "../../src/repo/key-slots.ts";
import { sealFence, sealSnapshot } from "../../src/repo/objects.ts";
import { initRepository, openRepository, type Repository } from "../../src/repo/repository.ts";
import { Session } from "../../src/repo/session.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import { buryPacks, markSwept, mergeTombstones, noteSessions } from "../../src/repo/tombstones.ts";
import { takeSnapshot } from "../helpers/snapshot-runs.ts";
import { shownBySnapshot, shownOnDisk } from "../helpers/snapshot-shown.ts";
import {
  editions,
  everything,
  folder,
  type GoldenEntry,
  GoldenWriter,
  noise,
  prose,
  story,
} from "./golden-tree.ts";
import type { Json, JsonObject } from "./reader-bytes.ts";
import { changeRealTree, makeRealTree, realTree } from "./real-tree.ts";
import { showCatalog, showRepository } from "./show-repository.ts";

/** Decomposed here, composed in the key slot: normal form C is what counts. */
export const passphrase = "gru\u0308n ist die Hoffnung";
const keyBytes = noise("key file", 32);
const keySecret: Secret = { kind: "key", bytes: keyBytes };
const cost = { memoryKib: 8192, passes: 1, parallelism: 1 };
const tiny = { minBytes: 64, averageBytes: 256, maxBytes: 1024, normalization: 1 };

class FixtureClock implements Clock {
  #ns = 1_800_000_000_000_000_000n;
  nowNs(): bigint {
    this.#ns += 1_000_000_007n;
    return this.#ns;
  }
  monotonicMs(): number {
    return 0;
  }
  async sleep(): Promise<void> {}
}

function fixtureRandom(seed: string): Random {
  let calls = 0;
  return (count) => noise(`${seed} ${calls++}`, count);
}

function contextOf(target: string, work: string, name: string) {
  return {
    store: new LocalStore(join(target, name, "repository"), { create: true }),
    cacheDir: join(work, name),
    clock: new FixtureClock(),
    random: fixtureRandom(name),
    host: {
      hostname: "golden",
      user: "maker",
      pid: 4242,
      bootId: "golden boot",
      isProcessGone: () => false,
    },
    secret: keySecret,
  };
}

async function init(target: string, work: string, cipher: Snapshot["host"], padding: boolean) {
  const context = contextOf(target, work, cipher);
  const settings = {
    cipher: cipher as "aes-256-gcm",
    chunkers: { tree: tiny, stream: tiny },
    pack: { bytes: 65_536, padding },
    extra: { comment: "a field that version 1 does not know" },
  };
  const repo = await initRepository({ ...context, settings, label: "the key file" });
  const id = keySlotId(toHex(repo.random(16)));
  const slot = await createKeySlot({
    id,
    bundle: repo.bundle,
    secret: { kind: "passphrase", text: passphrase },
    info: { label: "the passphrase", createdNs: repo.clock.nowNs(), host: "golden" },
    random: repo.random,
    kdf: cost,
  });
  await repo.store.put(`keys/${id}`, slot);
  return repo;
}

/** Runs `use` in a session of its own, with a writer. */
async function inSession<T>(
  repo: Repository,
  use: (writer: BlobWriter, session: Session) => Promise<T> | T,
): Promise<T> {
  const session = await Session.begin(repo, "snapshot");
  await repo.loadIndex();
  const result = await withBlobWriter(repo, session, async (writer) => use(writer, session));
  await session.end();
  await repo.loadIndex();
  return result;
}

interface Manifest extends Partial<Snapshot> {
  readonly root: Uint8Array;
  readonly name: string;
}

async function putSnapshot(repo: Repository, manifest: Manifest): Promise<string> {
  const { name, ...more } = manifest;
  const totals = (await showCatalog(repo, manifest.root))["totals"];
  const nowNs = repo.clock.nowNs();
  const snapshot: Snapshot = {
    version: 1,
    timeNs: nowNs,
    startedNs: nowNs,
    endedNs: repo.clock.nowNs(),
    host: "golden",
    user: "maker",
    series: name,
    seriesParts: { host: "golden", name },
    tags: [],
    paths: ["/golden" as RawPath],
    totals: totals as unknown as Snapshot["totals"],
    added: { blobs: 0, bytes: 0, rawBytes: 0 },
    previous: null,
    session: "0".repeat(32) as Snapshot["session"],
    sources: [{ kind: "files" }],
    program: "varve golden",
    problems: 0,
    ...more,
  };
  const { id, bytes } = sealSnapshot(repo.keys, snapshot, repo.random);
  await repo.store.put(`snapshots/${id}`, bytes);
  return id;
}

/** Two snapshots of everything: the second one's blobs lie on bases of the first. */
async function everythingTwice(repo: Repository): Promise<Uint8Array> {
  const first = everything();
  const [root, nodes, session] = await inSession(repo, (writer, { id }) => {
    const golden = new GoldenWriter(repo, writer);
    return [golden.catalog(first), golden.nodes, id] as const;
  });
  await assertShows(repo, root, first);
  const previous = await putSnapshot(repo, {
    root,
    session,
    name: "everything",
    tags: ["golden", "täglich"],
    paths: ["/golden", "/caf\xe9", "/gr\xc3\xbcn"] as RawPath[],
    seriesParts: { host: "golden", name: "everything", paths: ["/caf\xe9"] as RawPath[] },
    sources: [{ kind: "files" }, { kind: "command", exitCode: 0, argv: ["dump", "--all"] }],
    problems: 3,
  });
  const second = [...first.filter(({ path }) => path !== "/golden/text"), ...editions()];
  const nodeBase = nodes[0];
  const [root2, session2] = await inSession(repo, (writer, { id }) => [
    new GoldenWriter(repo, writer, nodeBase).catalog(second),
    id,
  ]);
  await assertShows(repo, root2, second);
  await putSnapshot(repo, {
    root: root2,
    session: session2,
    name: "everything",
    previous: snapshotId(previous),
    extra: { future: { nested: [1, null, "two"] } },
  });
  return root;
}

/** What the product reads back is what went in. */
async function assertShows(repo: Repository, root: Uint8Array, entries: readonly GoldenEntry[]) {
  const shownCatalog = await showCatalog(repo, root);
  const { entries: count } = shownCatalog["totals"] as { entries: number };
  assert.equal(count, entries.length);
  const list = shownCatalog["list"] as readonly JsonObject[];
  const shown = new Map(list.map((entry) => [entry["path"], entry]));
  for (const { path, pieces, linkTarget, mode, mtimeNs } of entries) {
    if (path.length > 300) continue;
    const entry = shown.get(path);
    assert.ok(entry !== undefined, path);
    if (mode !== undefined) assert.equal(entry["mode"], mode);
    if (mtimeNs !== undefined) assert.equal(entry["mtimeNs"], `${mtimeNs}`);
    assert.equal(entry["target"], linkTarget);
    if (pieces === undefined) continue;
    const data = pieces.filter((piece) => typeof piece !== "number");
    const hash = createHash("sha256").update(Buffer.concat(data));
    assert.equal(entry["sha256"], hash.digest("hex"));
  }
}

/** Real files by the real program; the middle one of three snapshots is forgotten, then a prune. */
async function realSnapshots(repo: Repository): Promise<void> {
  makeRealTree();
  try {
    const ids = [];
    for (let i = 0; i < 3; i++) {
      changeRealTree(i);
      const { id, snapshot } = await takeSnapshot(repo, realTree, { tags: [`run ${i}`] });
      assert.ok(id !== undefined);
      ids.push(id);
      await repo.loadIndex();
      const shown = await shownBySnapshot(repo, { id, snapshot }, realTree);
      assert.deepEqual(shown, shownOnDisk(realTree));
    }
    await forgetSnapshots(repo, ids.slice(1, 2));
  } finally {
    rmSync(realTree, { recursive: true });
  }
  await prune(repo, { maxUnused: { kind: "bytes", bytes: 0 } });
}

/** A catalog of three levels, and a content of lists of lists. */
async function largeOnes(repo: Repository): Promise<void> {
  const { cutSeed } = repo.keys;
  const paths = (name: string) =>
    Array.from({ length: 1600 }, (_, i) => `/${name}/${`${i}`.padStart(4, "0")}`);
  const allPaths = (name: string) => ["/lists of lists", `/${name}`, ...paths(name)];
  let name = "wide";
  for (let i = 0; !isHigh(cutSeed, allPaths(name)); i++) name = `wide${i}`;
  const wide = [folder(`/${name}`), ...paths(name).map((path) => ({ path, pieces: [] }))];
  const hasher = new BlobHasher(repo.keys);
  const ends = (text: string) => {
    const id = Buffer.from(hasher.id(BlobKind.data, Buffer.from(text)));
    return id.readUInt32LE(0) < listCutBelow;
  };
  let chunk = "";
  for (let i = 0; !ends(chunk); i++) chunk = `chunk ${i};`;
  const pieces = Array.from({ length: 5000 }, (_, i) =>
    i % 50 === 7 ? 64 : Buffer.from(i % 50 === 9 ? "another" : chunk),
  );
  const entries = [...wide, { path: "/lists of lists", pieces }];
  const [root, session] = await inSession(repo, (writer, { id }) => [
    new GoldenWriter(repo, writer).catalog(entries),
    id,
  ]);
  assert.equal((await showCatalog(repo, root))["height"], 2);
  const entry = await repo.catalogAt(root).find("lists of lists" as never);
  assert.equal(entry?.content?.depth, 2);
  await putSnapshot(repo, { root, session, name: "large" });
}

/** Whether the inner nodes of level 1 are more than one. */
function isHigh(cutSeed: number, paths: readonly string[]): boolean {
  let count = 0;
  let children = 0;
  for (const path of paths) {
    const key = path.slice(1).replaceAll("/", "\0");
    if (!endsNode(cutSeed, 0, key, ++count)) continue;
    count = 0;
    if (endsNode(cutSeed, 1, key, ++children)) return true;
  }
  return false;
}

/** Snapshots of sessions that a prune took for dead. */
async function fenced(repo: Repository, root: Uint8Array): Promise<void> {
  const sleepers = ["not listed", "listed", "excluded", "listed twice", "excluded by one"];
  const ids = new Map<string, string>();
  const sessions = new Map<string, Session["id"]>();
  for (const name of sleepers) {
    const session = Session.unseen(repo).id;
    sessions.set(name, session);
    ids.set(name, await putSnapshot(repo, { root, session, name: `fence: ${name}` }));
  }
  const fence = async (name: string, lists: readonly (readonly string[] | null)[]) => {
    const session = sessions.get(name);
    assert.ok(session !== undefined);
    for (const list of lists) {
      const fenceId = fenceName(session, Session.unseen(repo).id);
      const snapshots = (list ?? []).map((each) => snapshotId(ids.get(each) ?? ""));
      const content = { listed: list !== null, snapshots };
      await repo.store.put(
        `fences/${fenceId}`,
        sealFence(repo.keys, fenceId, content, repo.random),
      );
    }
  };
  await fence("not listed", [null]);
  await fence("listed", [["listed"]]);
  await fence("excluded", [[]]);
  await fence("listed twice", [["listed twice"], null, ["listed twice"]]);
  await fence("excluded by one", [["excluded by one"], []]);
}

/** Tombstones: swept, merged, and one that waits for a session, whose pack is still there. */
async function buried(repo: Repository): Promise<void> {
  const sweptOne = async (name: string) => {
    const gone = packId(createHash("sha256").update(name).digest("hex"));
    for (const stored of await buryPacks(repo, [gone])) await markSwept(repo, stored);
  };
  for (let i = 0; i < 8; i++) await sweptOne(`gone ${i}`);
  await mergeTombstones(repo);
  await sweptOne("gone, not merged");
  const double = await writeDouble(repo);
  await repo.loadIndex();
  const alive = await Session.begin(repo, "snapshot");
  for (const stored of await buryPacks(repo, [double])) {
    await noteSessions(repo, stored, [{ session: alive.id, beat: 0 }]);
  }
}

/** A pack that holds again what others hold; in the index, and dead soon. */
async function writeDouble(repo: Repository): Promise<PackId> {
  const sealer = repo.newSealer();
  const hasher = new BlobHasher(repo.keys);
  sealer.append(BlobKind.data, hasher.id(BlobKind.data, story), story);
  const finished = sealer.finish();
  const bytes = Uint8Array.from(finished.bytes);
  await inSession(repo, (writer) => writer.addPack({ ...finished, bytes }));
  return finished.pack.pack;
}

/** A pack that a killed writer left: no index object names it. */
async function orphan(repo: Repository): Promise<void> {
  const sealer = repo.newSealer();
  const bytes = prose("orphan", 3);
  sealer.append(BlobKind.data, new BlobHasher(repo.keys).id(BlobKind.data, bytes), bytes);
  const finished = sealer.finish();
  await repo.store.put(packObject(finished.pack.pack), Uint8Array.from(finished.bytes));
}

async function smallIndexObjects(repo: Repository, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const entries = [{ path: "/note", pieces: [prose(`note ${i}`, 2)] }];
    const [root, session] = await inSession(repo, (writer, { id }) => [
      new GoldenWriter(repo, writer).catalog(entries),
      id,
    ]);
    await putSnapshot(repo, { root, session, name: "notes", tags: [`${i}`] });
  }
}

async function makeAes(repo: Repository): Promise<void> {
  const root = await everythingTwice(repo);
  await realSnapshots(repo);
  await largeOnes(repo);
  await smallIndexObjects(repo, 8);
  assert.ok((await mergeIndexObjects(repo)) > 0);
  const empty = await inSession(repo, (writer) => new GoldenWriter(repo, writer).catalog([]));
  await putSnapshot(repo, { root: empty, name: "empty" });
  await smallIndexObjects(repo, 1);
  await fenced(repo, root);
  await buried(repo);
  await orphan(repo);
}

export async function makeFixture(target: string): Promise<void> {
  const work = join(tmpdir(), "varve-golden-work");
  rmSync(work, { recursive: true, force: true });
  const aes = await init(target, work, "aes-256-gcm", false);
  await makeAes(aes);
  await aes.close();
  const chacha = await init(target, work, "chacha20-poly1305", true);
  await everythingTwice(chacha);
  await chacha.close();
  writeFileSync(join(target, "passphrase.txt"), `${passphrase}\n`);
  writeFileSync(join(target, "key-file.txt"), `${formatKeyFile(keyBytes)}\n`);
  for (const name of ["aes-256-gcm", "chacha20-poly1305"]) {
    // A fresh cache: what the store says, not what the maker remembers.
    const repo = await openRepository(contextOf(target, join(work, "fresh"), name));
    const shown = await showRepository(repo);
    await repo.close();
    mkdirSync(join(target, name), { recursive: true });
    writeFileSync(join(target, name, "expected.json"), `${printed(shown)}\n`);
  }
  rmSync(work, { recursive: true, force: true });
}

/** JSON with a line for each thing that somebody may want to look up. */
function printed(value: Json, depth = 0): string {
  const isDeep = typeof value !== "object" || value === null || depth > 4;
  if (isDeep || JSON.stringify(value).length < 90) return JSON.stringify(value);
  const pad = " ".repeat(depth + 1);
  if (Array.isArray(value)) {
    const lines = value.map((each: Json) => pad + printed(each, depth + 2));
    return `[\n${lines.join(",\n")}\n${pad.slice(1)}]`;
  }
  const lines = Object.entries(value).map(
    ([name, each]) => `${pad}${JSON.stringify(name)}: ${printed(each, depth + 1)}`,
  );
  return `{\n${lines.join(",\n")}\n${pad.slice(1)}}`;
}
