import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Entry, EntryType } from "../../../src/base/entry.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { toHex } from "../../../src/base/ids.ts";
import { keyParent } from "../../../src/base/raw-path.ts";
import { CatalogBuilder } from "../../../src/repo/catalog/catalog-builder.ts";
import { cutHash, nodeCountMax, nodeCountMin } from "../../../src/repo/catalog/catalog-cuts.ts";
import { CatalogReader } from "../../../src/repo/catalog/catalog-reader.ts";
import { entryDifference } from "../../../src/repo/catalog/entry-compare.ts";
import { decodeNode, isLeaf } from "../../../src/repo/format/catalog-node.ts";
import { anyTree, cutSeed, file, folder, grid, inOrder, MemoryNodes } from "./catalog-support.ts";

/** Merges `entries` with a parent, as a snapshot does; equal entries are added as unchanged. */
export async function buildOver(
  nodes: MemoryNodes,
  parent: Uint8Array,
  entries: Iterable<Entry>,
  isUnchanged: (before: Entry, now: Entry) => boolean,
) {
  const builder = new CatalogBuilder({ cutSeed, sink: nodes });
  const cursor = nodes.reader(parent).parentCursor();
  for (const entry of entries) {
    if (!cursor.isLoadedFor(entry.key)) await cursor.load(entry.key);
    const ref = cursor.match(entry.key);
    if (ref !== undefined && isUnchanged(ref.entry, entry)) builder.addUnchanged(ref);
    else builder.add(entry);
  }
  return builder.finish();
}

const same = (a: Entry, b: Entry) => entryDifference(a, b) === undefined;

test("an empty catalog is a leaf without entries", async () => {
  const nodes = new MemoryNodes();
  const { root, totals } = nodes.build([]);
  assert.deepEqual(totals, { entries: 0, files: 0, folders: 0, bytes: 0 });
  assert.deepEqual(await nodes.entries(root), []);
  assert.equal(nodes.nodes.size, 1);
});

test("what is built is read, in order and with totals", async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, async (entries) => {
      const nodes = new MemoryNodes();
      const { root, totals } = nodes.build(entries);
      const read = await nodes.entries(root);
      assert.equal(read.length, entries.length);
      for (const [at, entry] of entries.entries()) assert.ok(same(read[at] as Entry, entry));
      const files = entries.filter((entry) => entry.type === EntryType.file);
      assert.deepEqual(totals, {
        entries: entries.length,
        files: files.length,
        folders: entries.filter((entry) => entry.type === EntryType.folder).length,
        bytes: files.reduce((sum, entry) => sum + entry.size, 0),
      });
      const { bytes } = await nodes.reader(root).totals();
      assert.equal(bytes, totals.bytes);
    }),
    { numRuns: 40 },
  );
});

test("the root is the same whatever the parent was", async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, anyTree, fc.infiniteStream(fc.boolean()), async (one, two, coin) => {
      const nodes = new MemoryNodes();
      // Half of the parent's entries in the new tree, so that leaves are shared and broken.
      const now = inOrder([...one.filter(() => coin.next().value), ...two]);
      const expected = nodes.build(now);
      const got = await buildOver(nodes, nodes.build(one).root, now, same);
      assert.equal(toHex(got.root), toHex(expected.root));
      assert.deepEqual(got.totals, expected.totals);
    }),
    { numRuns: 60 },
  );
});

test("an unchanged tree takes over every leaf without encoding one", async () => {
  const nodes = new MemoryNodes();
  const parent = nodes.build(grid(50, 200));
  nodes.puts = [];
  const got = await buildOver(nodes, parent.root, grid(50, 200), () => true);
  assert.equal(toHex(got.root), toHex(parent.root));
  assert.equal(got.leavesReused, got.leaves);
  assert.equal(got.leaves, parent.leaves);
  for (const id of nodes.puts) {
    assert.ok(!isLeaf(decodeNode(nodes.nodes.get(id) as Uint8Array)), "only inner nodes are made");
  }
});

test("one change makes one leaf new, one more or one less a few", async () => {
  const all = [...grid(50, 200)];
  const at = 3777;
  const changed = all.with(at, { ...(all[at] as Entry), mtimeNs: 5n });
  const edits = [changed, all.toSpliced(at, 1), all.toSpliced(at, 0, file("d0000018/f0000157x"))];
  for (const [edit, now] of edits.entries()) {
    const nodes = new MemoryNodes();
    const parent = nodes.build(all);
    const got = await buildOver(nodes, parent.root, now, same);
    assert.equal(toHex(got.root), toHex(nodes.build(now).root));
    const fresh = got.leaves - got.leavesReused;
    assert.ok(fresh <= (edit === 0 ? 1 : 4), `${fresh} new leaves after edit ${edit}`);
  }
});

test("leaves that ended for their length are cut the same with a parent", async () => {
  const value = new Uint8Array(60_000).fill(1);
  const large = (tag: string) =>
    inOrder(
      Array.from({ length: 300 }, (_, at) =>
        file(`f${String(at).padStart(4, "0")}${tag}`, at, { xattrs: [{ name: "user.x", value }] }),
      ),
    );
  const nodes = new MemoryNodes();
  const parent = nodes.build(large(""));
  for (const bytes of nodes.nodes.values()) assert.ok(bytes.length < 600_000);
  const now = large("").toSpliced(40, 3);
  const got = await buildOver(nodes, parent.root, now, same);
  assert.equal(toHex(got.root), toHex(nodes.build(now).root));
});

test("the last leaf of the parent ends elsewhere when more follows", async () => {
  for (const count of [1, 15, 16, 17, 60, 300]) {
    const nodes = new MemoryNodes();
    const before = [...grid(1, count)];
    const now = [...before, ...[...grid(2, 100)].filter((entry) => entry.key > "d0000001")];
    const parent = nodes.build(before);
    const expected = nodes.build(inOrder(now));
    const got = await buildOver(nodes, parent.root, inOrder(now), same);
    assert.equal(toHex(got.root), toHex(expected.root), `${count} entries`);
    const shorter = await buildOver(nodes, expected.root, before, same);
    assert.equal(toHex(shorter.root), toHex(parent.root), `${count} entries`);
  }
});

test("a leaf that the store no longer has is written again", async () => {
  const nodes = new MemoryNodes();
  const parent = nodes.build(grid(10, 100));
  const kept = new Map(nodes.nodes);
  nodes.nodes.clear();
  const source = { readNode: async (id: Uint8Array) => kept.get(toHex(id)) as Uint8Array };
  const sink = {
    putNode: (plaintext: Uint8Array) => nodes.putNode(plaintext),
    hasNode: (id: Uint8Array) => nodes.nodes.has(toHex(id)),
  };
  const builder = new CatalogBuilder({ cutSeed, sink });
  for await (const leaf of new CatalogReader(source, parent.root).leaves()) {
    for (const [index, entry] of leaf.entries.entries()) {
      builder.addUnchanged({ leaf, index, entry });
    }
  }
  const { root, leavesReused } = builder.finish();
  assert.equal(toHex(root), toHex(parent.root));
  assert.equal(leavesReused, 0);
  assert.equal(nodes.nodes.size, kept.size);
});

test("nodes have 64 entries on average, at least 16, at most 256, on every level", () => {
  const nodes = new MemoryNodes();
  const { leaves } = nodes.build(grid(150, 1000));
  const average = 150_150 / leaves;
  assert.ok(average > 60 && average < 68, `average ${average}`);
  const counts = new Map<number, number[]>();
  for (const bytes of nodes.nodes.values()) {
    const node = decodeNode(bytes);
    const count = isLeaf(node) ? node.entries.length : node.children.length;
    const all = counts.get(node.level) ?? [];
    all.push(count);
    counts.set(node.level, all);
  }
  for (const all of counts.values()) {
    const [least = 0, second = 0] = all.toSorted((a, b) => a - b);
    assert.ok(Math.max(...all) <= nodeCountMax);
    // Only the last node of a level may be smaller.
    assert.ok(least >= nodeCountMin || all.length === 1 || second >= nodeCountMin);
  }
  const inner = counts.get(1) ?? [];
  const children = inner.reduce((sum, count) => sum + count, 0) / inner.length;
  assert.ok(children > 45 && children < 85, `${children} children on average`);
});

test("cuts depend on the seed and, level by level, on nothing else", () => {
  const one = new MemoryNodes().build(grid(10, 300), 1);
  const two = new MemoryNodes().build(grid(10, 300), 2);
  assert.notEqual(toHex(one.root), toHex(two.root));
  assert.notEqual(cutHash(1, 0, "a"), cutHash(1, 1, "a"));
  // As an independent reader would compute them; see format.md.
  assert.equal(cutHash(0, 0, ""), 0xab3e_7c0b);
  assert.equal(cutHash(0x1234_5678, 2, "home\0a"), 0xf377_696c);
});

test("an entry beyond the limits is as if not added", async () => {
  const nodes = new MemoryNodes();
  const all = [...grid(3, 100)];
  const parent = nodes.build(all);
  const builder = new CatalogBuilder({ cutSeed, sink: nodes });
  const beyond = file("d0000001/f0000050+", 1, { mtimeNs: 2n ** 63n });
  const long = file(`d0000001/${"x".repeat(256)}`);
  for await (const leaf of nodes.reader(parent.root).leaves()) {
    for (const [index, entry] of leaf.entries.entries()) {
      builder.addUnchanged({ leaf, index, entry });
      const bad = [beyond, long].find((one) => keyParent(one.key) === keyParent(entry.key));
      if (bad === undefined || bad.key < entry.key) continue;
      assert.throws(
        () => builder.add(bad),
        (error) => hasCode(error, "limit-exceeded"),
      );
    }
  }
  const { root, totals } = builder.finish();
  assert.equal(toHex(root), toHex(parent.root));
  assert.deepEqual(totals, parent.totals);
});

test("entries out of order, twice, or outside their folder are bugs", () => {
  const cases: Entry[][] = [
    [file("b"), file("a")],
    [file("a"), file("a")],
    [file("a/b")],
    [file("a"), file("a/b")],
    [folder("a"), folder("b"), file("a/b")],
    [folder("a"), file("ab/c")],
    [{ ...folder("a"), type: EntryType.symlink, linkTarget: "/" as never }, file("a/b")],
  ];
  for (const entries of cases) {
    assert.throws(
      () => new MemoryNodes().build(entries),
      (error) => hasCode(error, "internal"),
    );
  }
});
