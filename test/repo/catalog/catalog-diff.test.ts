import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Entry, EntryType } from "../../../src/base/entry.ts";
import { type CatalogChange, diffCatalogs } from "../../../src/repo/catalog/catalog-diff.ts";
import { entryDifference } from "../../../src/repo/catalog/entry-compare.ts";
import { anyTree, file, folder, grid, inOrder, key, MemoryNodes } from "./catalog-support.ts";

async function diff(nodes: MemoryNodes, a: Uint8Array, b: Uint8Array): Promise<CatalogChange[]> {
  const all: CatalogChange[] = [];
  for await (const batch of diffCatalogs(nodes.reader(a), nodes.reader(b))) all.push(...batch);
  return all;
}

const told = (changes: readonly CatalogChange[]) =>
  changes.map(({ key, kind, before, after }) => [key, kind, before?.key, after?.key]);

/** Every key of both, looked up in both. */
function naive(before: readonly Entry[], after: readonly Entry[]) {
  const one = new Map(before.map((entry) => [entry.key, entry]));
  const two = new Map(after.map((entry) => [entry.key, entry]));
  const keys = [...new Set([...one.keys(), ...two.keys()])].sort();
  return keys.flatMap((key) => {
    const a = one.get(key);
    const b = two.get(key);
    if (a === undefined) return [[key, "added", undefined, key]];
    if (b === undefined) return [[key, "removed", key, undefined]];
    const kind = entryDifference(a, b);
    return kind === undefined ? [] : [[key, kind, key, key]];
  });
}

test("the difference is that of a comparison entry by entry", async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, anyTree, fc.infiniteStream(fc.nat(9)), async (one, two, dice) => {
      const nodes = new MemoryNodes();
      const kept = one.filter(() => dice.next().value > 0);
      const touched = kept.map((entry) =>
        dice.next().value > 8 ? { ...entry, mtimeNs: 5n } : entry,
      );
      const now = inOrder([...touched, ...two.slice(0, dice.next().value * 10)]);
      const changes = await diff(nodes, nodes.build(one).root, nodes.build(now).root);
      assert.deepEqual(told(changes), naive(one, now));
    }),
    { numRuns: 60 },
  );
});

test("large trees of different height differ as they should", async () => {
  const large = [...grid(100, 200)];
  const cases = [
    large.slice(0, 3),
    large.slice(0, 5000),
    large.filter((entry) => entry.key >= "d0000050"),
    large.filter((entry) => entry.key < "d0000020" || entry.key >= "d0000070"),
    inOrder([file("0"), ...large, file("z")]),
    [],
  ];
  const nodes = new MemoryNodes();
  const { root } = nodes.build(large);
  for (const other of cases) {
    const second = nodes.build(other).root;
    assert.deepEqual(told(await diff(nodes, root, second)), naive(large, other));
    assert.deepEqual(told(await diff(nodes, second, root)), naive(other, large));
  }
});

test("what is read follows the difference", async () => {
  const all = [...grid(200, 200)];
  const nodes = new MemoryNodes();
  const { root } = nodes.build(all);
  const touch = (at: number) => ({ ...(all[at] as Entry), mtimeNs: 9n });
  const cases: [string, Entry[], number][] = [
    ["nothing", all, 0],
    ["one changed", all.with(20_000, touch(20_000)), 2 * 3],
    ["one added", inOrder([...all, file("d0000119/f0000131x")]), 30],
    ["one removed", all.toSpliced(30_001, 1), 30],
    ["a folder removed", all.filter((e) => !e.key.startsWith("d0000100")), 40],
    ["all at the end", [...all, ...[...grid(1, 300)].map(atTheEnd)], 60],
  ];
  for (const [what, now, readsMax] of cases) {
    const other = nodes.build(now).root;
    nodes.reads = [];
    const changes = await diff(nodes, root, other);
    assert.deepEqual(told(changes), naive(all, now));
    assert.ok(nodes.reads.length <= readsMax, `${what}: ${nodes.reads.length} nodes were read`);
    assert.equal(new Set(nodes.reads).size, nodes.reads.length, `${what}: some read twice`);
  }
});

const atTheEnd = (entry: Entry): Entry => ({ ...entry, key: key(`e${entry.key}`) });

test("differences have their kinds", () => {
  const one = file("a", 3, { xattrs: [{ name: "user.a", value: Uint8Array.of(1) }] });
  const link = folder("a", { type: EntryType.symlink, linkTarget: "x" as never });
  const cases: [Entry, Entry, string | undefined][] = [
    [one, { ...one }, undefined],
    [one, folder("a"), "type"],
    [one, file("a", 4), "content"],
    [link, { ...link, linkTarget: "y" as never }, "content"],
    [one, { ...one, content: { depth: 1, items: one.content?.items ?? [] } }, "content"],
    [one, { ...one, mode: 0 }, "meta"],
    [one, { ...one, mtimeNs: 0n, inode: 1n }, "meta"],
    [one, { ...one, group: "x" }, "meta"],
    [one, { ...one, xattrs: [] }, "meta"],
    [one, { ...one, xattrs: [{ name: "user.a", value: Uint8Array.of(2) }] }, "meta"],
    [one, { ...one, ctimeNs: 0n }, "internal"],
    [one, { ...one, inode: 0n }, "internal"],
    [one, { ...one, hardLink: 0 }, "internal"],
  ];
  for (const [before, after, kind] of cases) assert.equal(entryDifference(before, after), kind);
});
