import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Entry, EntryType } from "../../../src/base/entry.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { toHex } from "../../../src/base/ids.ts";
import { type CatalogKey, isWithin, keyParent } from "../../../src/base/raw-path.ts";
import { CatalogReader } from "../../../src/repo/catalog/catalog-reader.ts";
import { LeafCursor } from "../../../src/repo/catalog/leaf-cursor.ts";
import type { NodeDamage } from "../../../src/repo/catalog/node-reader.ts";
import {
  decodeNode,
  encodeInner,
  encodeLeaf,
  type InnerNode,
  isLeaf,
} from "../../../src/repo/format/catalog-node.ts";
import {
  anyKey,
  anyTree,
  file,
  folder,
  grid,
  inOrder,
  key,
  MemoryNodes,
} from "./catalog-support.ts";

const keys = (entries: readonly Entry[]) => entries.map((entry) => entry.key);

async function keysOf(generator: AsyncGenerator<{ entries: readonly Entry[] } | Entry[]>) {
  const all: CatalogKey[] = [];
  for await (const batch of generator) {
    const entries = Array.isArray(batch) ? batch : batch.entries;
    assert.ok(entries.length > 0);
    all.push(...keys(entries));
  }
  return all;
}

test("ranges give what a filter over all gives", async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, anyKey, anyKey, fc.boolean(), async (entries, one, two, isKnown) => {
      const nodes = new MemoryNodes();
      const reader = nodes.reader(nodes.build(entries).root);
      const prefix = isKnown ? (entries[one.length % (entries.length || 1)]?.key ?? one) : one;
      const within = entries.filter((entry) => isWithin(entry.key, prefix));
      assert.deepEqual(await keysOf(reader.leaves({ prefix })), keys(within));
      const from = entries.filter((entry) => entry.key >= two);
      assert.deepEqual(await keysOf(reader.leaves({ from: two })), keys(from));
      const both = within.filter((entry) => entry.key >= two);
      assert.deepEqual(await keysOf(reader.leaves({ prefix, from: two })), keys(both));
    }),
    { numRuns: 60 },
  );
});

test("find gives each entry, and nothing for other keys", async () => {
  const nodes = new MemoryNodes();
  const entries = [...grid(20, 100)];
  const reader = nodes.reader(nodes.build(entries).root);
  for (let at = 0; at < entries.length; at += 7) {
    const wanted = entries[at]?.key as CatalogKey;
    assert.equal((await reader.find(wanted))?.key, wanted);
    assert.equal(await reader.find(`${wanted}\x01` as CatalogKey), undefined);
  }
  for (const absent of ["", "a", "z", "d0000003/f", "d0000003/f0000001/x"]) {
    assert.equal(await reader.find(key(absent)), undefined, absent);
  }
});

test("find reads one node a level", async () => {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(grid(400, 100));
  for (const path of ["d0000000", "d0000399/f0000099", "d0000200/f0000050", "d0000150"]) {
    nodes.reads = [];
    assert.ok((await nodes.reader(root).find(key(path))) !== undefined);
    const levels = nodes.reads.map((id) => decodeNode(nodes.nodes.get(id) as Uint8Array).level);
    assert.deepEqual(levels, [2, 1, 0].slice(-levels.length));
  }
});

test("children of any folder are the entries whose parent it is", async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, anyKey, async (entries, absent) => {
      const nodes = new MemoryNodes();
      const reader = nodes.reader(nodes.build(entries).root);
      const folders = entries.filter((entry) => entry.type === EntryType.folder);
      for (const wanted of ["" as CatalogKey, absent, ...keys(folders).slice(0, 20)]) {
        const expected = entries.filter((entry) => keyParent(entry.key) === wanted);
        assert.deepEqual(await keysOf(reader.children(wanted)), keys(expected));
      }
    }),
    { numRuns: 40 },
  );
});

test("children pass over what lies deeper without reading it", async () => {
  const nodes = new MemoryNodes();
  const { root, leaves } = nodes.build(grid(20, 5000));
  const reader = nodes.reader(root);
  assert.equal((await keysOf(reader.children("" as CatalogKey))).length, 20);
  assert.ok(leaves > 1400 && nodes.reads.length < 130, `${nodes.reads.length} reads`);
});

test("a folder of many files is read with neighbours together", async () => {
  const nodes = new MemoryNodes();
  const { root, leaves } = nodes.build(grid(1, 50_000));
  let calls = 0;
  const source = {
    readNode: (id: Uint8Array) => nodes.readNode(id),
    readNodes: (ids: readonly Uint8Array[]) => {
      calls++;
      return nodes.readNodes(ids);
    },
  };
  const reader = new CatalogReader(source, root);
  assert.equal((await keysOf(reader.children(key("d0000000")))).length, 50_000);
  assert.ok(calls < leaves / 10, `${calls} calls for ${leaves} leaves`);
  calls = 0;
  nodes.reads = [];
  assert.equal((await keysOf(new CatalogReader(source, root).leaves())).length, 50_001);
  assert.ok(calls < leaves / 10, `${calls} calls for ${leaves} leaves`);
  assert.equal(new Set(nodes.reads).size, nodes.reads.length, "nothing is read twice");
});

test("a cursor that jumps finds the leaf at each key", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(2019), fc.boolean()), { minLength: 1, maxLength: 40 }),
      async (steps) => {
        const nodes = new MemoryNodes();
        const entries = [...grid(20, 100)];
        const reader = nodes.reader(nodes.build(entries).root);
        const cursor = new LeafCursor(reader.nodes);
        let given = "";
        for (const [at] of steps.toSorted((a, b) => a[0] - b[0])) {
          const wanted = entries[at]?.key ?? ("zz" as CatalogKey);
          if (wanted <= given) continue;
          const leaf = await cursor.seek(wanted);
          assert.ok(leaf?.entries.some((entry) => entry.key === wanted));
          given = leaf?.entries.at(-1)?.key ?? "";
        }
        assert.equal(await cursor.seek("zz" as CatalogKey), undefined);
        assert.equal(await cursor.next(), undefined);
      },
    ),
    { numRuns: 20 },
  );
});

test("a merge with a walk of one folder reads only that part of the parent", async () => {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(grid(50, 1000));
  const cursor = nodes.reader(root).parentCursor();
  let matched = 0;
  for (const entry of grid(50, 1000)) {
    if (!isWithin(entry.key, key("d0000020")) && !isWithin(entry.key, key("d0000040"))) continue;
    if (!cursor.isLoadedFor(entry.key)) await cursor.load(entry.key);
    if (cursor.match(entry.key)?.entry.key === entry.key) matched++;
  }
  assert.equal(matched, 2002);
  assert.ok(nodes.reads.length < 120, `${nodes.reads.length} reads`);
});

test("walkNodes visits each node once and passes over known subtrees", async () => {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(grid(40, 500));
  const known = new Set<string>();
  const levels = new Set<number | undefined>();
  let entries = 0;
  let left = 0;
  const visitor = {
    enter: (id: Uint8Array, level: number | undefined) => {
      levels.add(level);
      const isNew = !known.has(toHex(id));
      known.add(toHex(id));
      return isNew;
    },
    leaf: (leaf: { entries: readonly Entry[] }) => {
      entries += leaf.entries.length;
    },
    leave: () => {
      left++;
    },
  };
  await nodes.reader(root).walkNodes(visitor);
  assert.equal(entries, 40 * 501);
  assert.equal(known.size, nodes.nodes.size);
  assert.equal(left, nodes.nodes.size);
  assert.deepEqual([...levels], [undefined, 1, 0]);
  const next = nodes.build([...grid(40, 500), file("e")]);
  nodes.reads = [];
  entries = 0;
  await nodes.reader(next.root).walkNodes(visitor);
  assert.ok(entries <= 300 && nodes.reads.length <= 3, `${nodes.reads.length} reads`);
});

test("walkNodes visits a root that is a leaf", async () => {
  for (const count of [0, 3]) {
    const nodes = new MemoryNodes();
    const { root } = nodes.build([...grid(1, 10)].slice(0, count));
    const seen: number[] = [];
    const enter = () => true;
    const leaf = ({ entries }: { entries: readonly Entry[] }) => void seen.push(entries.length);
    await nodes.reader(root).walkNodes({ enter, leaf });
    assert.deepEqual(seen, [count]);
  }
});

const damaged = (error: unknown) => hasCode(error, "object-damaged");

/** A root over changed children. */
function spoiled(change: (node: InnerNode) => InnerNode) {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(grid(10, 200));
  const node = decodeNode(nodes.nodes.get(toHex(root)) as Uint8Array);
  assert.ok(!isLeaf(node));
  return { nodes, root: nodes.putNode(encodeInner(change(node))) };
}

test("a parent that lies about a child is damage", async () => {
  const first = (change: object) => (node: InnerNode) => {
    const [child, ...rest] = node.children;
    assert.ok(child !== undefined);
    return { ...node, children: [{ ...child, ...change }, ...rest] };
  };
  const cases: ((node: InnerNode) => InnerNode)[] = [
    first({ lastKey: key("d0000000/a") }),
    first({ entries: 1 }),
    first({ bytes: 1 }),
    (node) => ({ ...node, level: node.level + 1 }),
    (node) => ({ ...node, children: node.children.slice(0, 1) }),
    (node) => {
      const [one, two, ...rest] = node.children;
      assert.ok(one !== undefined && two !== undefined);
      return { ...node, children: [one, { ...one, lastKey: two.lastKey }, ...rest] };
    },
  ];
  for (const change of cases) {
    const { nodes, root } = spoiled(change);
    await assert.rejects(nodes.entries(root), damaged);
  }
});

test("keys of a child that begin before the node before it ends are damage", async () => {
  const nodes = new MemoryNodes();
  const put = (entries: Entry[]) => ({
    id: nodes.putNode(encodeLeaf(entries)),
    lastKey: entries.at(-1)?.key as CatalogKey,
    entries: entries.length,
    bytes: entries.reduce((sum, entry) => sum + entry.size, 0),
  });
  const children = [put([file("b")]), put([file("a"), file("c")])];
  const root = nodes.putNode(encodeInner({ level: 1, children }));
  await assert.rejects(nodes.entries(root), damaged);
});

test("an entry below anything but a folder is damage", async () => {
  const link = folder("a", { type: EntryType.symlink, linkTarget: "/etc" as never });
  for (const entries of [[link, file("a/passwd")], [file("x/y")], [folder("a"), file("b/c")]]) {
    const nodes = new MemoryNodes();
    await assert.rejects(nodes.entries(nodes.putNode(encodeLeaf(entries))), damaged);
  }
});

test("unreadable nodes are told with what they held, and the rest is read", async () => {
  const entries = [...grid(60, 300)];
  const nodes = new MemoryNodes();
  const { root } = nodes.build(entries);
  const leaves = [...nodes.nodes].filter(([, bytes]) => isLeaf(decodeNode(bytes)));
  const inners = [...nodes.nodes].filter(([id, bytes]) => {
    return id !== toHex(root) && !isLeaf(decodeNode(bytes));
  });
  for (const victims of [[leaves[0]], [leaves[5], leaves[6]], [inners[1]], leaves.slice(40, 90)]) {
    const saved = new Map(nodes.nodes);
    for (const victim of victims) nodes.nodes.delete(victim?.[0] ?? "");
    const lost: NodeDamage[] = [];
    const onDamage = (damage: NodeDamage) => void lost.push(damage);
    const read: CatalogKey[] = [];
    for await (const leaf of nodes.reader(root).leaves({ onDamage })) {
      read.push(...keys(leaf.entries));
    }
    const isLost = (one: CatalogKey) =>
      lost.some(({ after, lastKey }) => one > after && one <= (lastKey ?? ""));
    assert.equal(lost.length, victims.length);
    assert.deepEqual(
      read,
      keys(entries).filter((one) => !isLost(one)),
    );
    const count = lost.reduce((sum, damage) => sum + (damage.entries ?? 0), 0);
    assert.equal(read.length + count, entries.length);
    const walked: NodeDamage[] = [];
    const visitor = { enter: () => true, onDamage: (one: NodeDamage) => void walked.push(one) };
    await nodes.reader(root).walkNodes(visitor);
    assert.deepEqual(
      walked.map(({ lastKey }) => lastKey),
      lost.map(({ lastKey }) => lastKey),
    );
    await assert.rejects(nodes.entries(root), (error) => hasCode(error, "blob-absent"));
    for (const [id, bytes] of saved) nodes.nodes.set(id, bytes);
  }
});

test("a root that is gone is told once, and is as an empty parent", async () => {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(inOrder([file("a/b")]));
  nodes.nodes.clear();
  const lost: NodeDamage[] = [];
  const cursor = nodes.reader(root).parentCursor((damage) => void lost.push(damage));
  await cursor.load(key("a"));
  assert.equal(cursor.match(key("a")), undefined);
  assert.ok(cursor.isLoadedFor(key("zzz")));
  assert.deepEqual(
    lost.map(({ lastKey }) => lastKey),
    [undefined],
  );
});
