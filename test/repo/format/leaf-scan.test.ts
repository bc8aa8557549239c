/** The scan finds right exactly the leaves that reading every entry would find right. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Entry } from "../../../src/base/entry.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { toHex } from "../../../src/base/ids.ts";
import type { CatalogKey } from "../../../src/base/raw-path.ts";
import { FolderTrail } from "../../../src/repo/catalog/folder-trail.ts";
import { decodeNode, encodeLeaf, isLeaf } from "../../../src/repo/format/catalog-node.ts";
import { type LeafRef, LeafScan } from "../../../src/repo/format/leaf-scan.ts";
import { anyTree, file, folder, inOrder } from "../catalog/catalog-support.ts";

interface Case {
  readonly bytes: Uint8Array;
  readonly ref: LeafRef;
  readonly isNext: boolean;
}

const noItem = () => {};

function refOf(entries: readonly Entry[], after: CatalogKey): LeafRef {
  const lastKey = entries.at(-1)?.key ?? ("" as CatalogKey);
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  return { after, lastKey, entries: entries.length, bytes };
}

function caseOf(entries: readonly Entry[], after = "", isNext = true): Case {
  const ref = refOf(entries, after as CatalogKey);
  return { bytes: Uint8Array.from(encodeLeaf(entries)), ref, isNext };
}

/** By the decoder, as the catalogs' readers do it; the trail is as it was unless all is right. */
function isRightDecoded({ bytes, ref, isNext }: Case, trail: FolderTrail): boolean {
  const before = trail.folders;
  let entries: readonly Entry[];
  try {
    const node = decodeNode(bytes);
    if (!isLeaf(node) || node.bytes !== ref.bytes) return false;
    ({ entries } = node);
  } catch (error) {
    assert.ok(hasCode(error, "object-damaged"), String(error));
    return false;
  }
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || entries.length !== ref.entries) return false;
  if (first.key <= ref.after || last?.key !== ref.lastKey) return false;
  trail.resume(before);
  if (!isNext) trail.assumeAbove(first.key);
  const isRight = entries.map((entry) => trail.step(entry)).every(Boolean);
  if (!isRight) trail.resume(before);
  return isRight;
}

/** Both go through all of them; how many they find right. */
function rightOf(cases: readonly Case[]): number {
  const scan = new LeafScan();
  const trail = new FolderTrail();
  let right = 0;
  let isNext = true;
  for (const { isNext: follows, ...leaf } of cases) {
    // Behind a leaf that is wrong the folders are not known.
    const each: Case = { ...leaf, isNext: isNext && follows };
    const expected = isRightDecoded(each, trail);
    assert.equal(scan.isRight(each.bytes, each.ref, each.isNext, noItem), expected);
    assert.deepEqual(
      scan.folders,
      trail.folders.map(({ length }) => length),
    );
    if (expected) right++;
    isNext = expected;
  }
  return right;
}

/** A tree in leaves that follow each other, less the entries and leaves that are left out. */
const anyLeaves = fc
  .tuple(anyTree, fc.infiniteStream(fc.nat({ max: 9 })))
  .map(([entries, chances]) => {
    const dice = chances[Symbol.iterator]();
    const die = () => dice.next().value as number;
    const leaves: Case[] = [];
    let leaf: Entry[] = [];
    let [after, isNext] = ["" as CatalogKey, true];
    const end = () => {
      if (leaf.length === 0) return;
      const isLeftOut = die() === 0;
      if (!isLeftOut) leaves.push(caseOf(leaf, after, isNext));
      after = leaf.at(-1)?.key ?? after;
      isNext = !isLeftOut;
      leaf = [];
    };
    for (const entry of entries) {
      if (die() > 0) leaf.push(entry);
      if (die() < 2 || leaf.length === 256) end();
    }
    end();
    return leaves;
  });

test("leaves of a tree are right unless an entry's folder is missing", () => {
  let [right, wrong] = [0, 0];
  fc.assert(
    fc.property(anyLeaves, (leaves) => {
      const found = rightOf(leaves);
      right += found;
      wrong += leaves.length - found;
    }),
    { numRuns: 60 },
  );
  assert.ok(right > 100 && wrong > 10, `${right} right, ${wrong} wrong`);
});

test("a changed byte, or another word of the parent, is found as by reading the entries", () => {
  let [right, wrong] = [0, 0];
  const spot = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const anyChange = fc.tuple(spot, spot, fc.integer({ min: 0, max: 255 }), fc.nat({ max: 5 }));
  fc.assert(
    fc.property(anyLeaves, anyChange, (leaves, [which, where, value, how]) => {
      const number = Math.floor(leaves.length * which);
      const leaf = leaves[number];
      if (leaf === undefined) return;
      const bytes = Uint8Array.from(leaf.bytes);
      // Most of what can be wrong is in the first bytes: owners, and the first key.
      const span = how === 0 ? Math.min(40, bytes.length) : bytes.length;
      if (how < 3) bytes[Math.floor(span * where)] = value;
      const { ref } = leaf;
      const changed: Case[] = [
        { ...leaf, bytes, ref },
        { ...leaf, ref: { ...ref, after: ref.lastKey } },
        { ...leaf, ref: { ...ref, lastKey: `${ref.lastKey}x` as CatalogKey } },
        { ...leaf, ref: { ...ref, entries: ref.entries + 1 } },
        { ...leaf, ref: { ...ref, bytes: ref.bytes + 1 } },
        { ...leaf, bytes: Buffer.concat([leaf.bytes, Buffer.of(0)]) },
      ];
      const some = leaves.with(number, changed[how] ?? leaf);
      const found = rightOf(some);
      right += found;
      wrong += some.length - found;
    }),
    { numRuns: 200 },
  );
  assert.ok(right > 100 && wrong > 100, `${right} right, ${wrong} wrong`);
});

test("every item that is no hole is told, with its depth, id and length", () => {
  fc.assert(
    fc.property(anyTree, (tree) => {
      const entries = tree.slice(0, 256);
      const { bytes, ref } = caseOf(entries);
      const told: string[] = [];
      new LeafScan().isRight(bytes, ref, true, (depth, at, length) =>
        told.push(`${depth} ${toHex(bytes.subarray(at, at + 32))} ${length}`),
      );
      const expected = entries.flatMap(({ content }) =>
        (content?.items ?? []).flatMap(({ id, length }) =>
          id === null ? [] : [`${content?.depth} ${toHex(id)} ${length}`],
        ),
      );
      assert.deepEqual(told, expected);
    }),
    { numRuns: 100 },
  );
});

test("names that are none, and folders that are none, are not right", () => {
  const tree = inOrder([folder("a"), file("a/b"), file("a.b"), folder("c"), file("c/d")]);
  assert.equal(rightOf([caseOf(tree)]), 1);
  const misplaced: Entry[][] = [
    [file("a"), file("a/b")],
    [folder("a"), file("a/b"), file("a/b/c")],
    [folder("a"), file("ab/c")],
    [file("x/y")],
  ];
  for (const entries of misplaced) assert.equal(rightOf([caseOf(entries)]), 0);
  // In the middle of a catalog, what is above the first key was seen to be folders.
  assert.equal(rightOf([caseOf([file("x/y")], "", false)]), 1);
  for (const name of ["../x", "a//b", "./x", "a/..", "a/.", "a/"]) {
    const bytes = Buffer.from(encodeLeaf([file("q".repeat(name.length))]));
    bytes.write(name.replaceAll("/", "\0"), bytes.indexOf("qq"), "latin1");
    const key = name.replaceAll("/", "\0") as CatalogKey;
    const ref = { ...refOf([file("q")], "" as CatalogKey), lastKey: key };
    assert.equal(rightOf([{ bytes, ref, isNext: false }]), 0, name);
  }
});

/** `bytes` with `other` in the place of `some`, which they have once. */
function replaced(bytes: Uint8Array, some: readonly number[], other: readonly number[]): Buffer {
  const at = Buffer.from(bytes).indexOf(Buffer.from(some));
  assert.ok(at >= 0);
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from(other),
    bytes.subarray(at + some.length),
  ]);
}

test("one encoding only: keys share what they can, owners come in order of first use", () => {
  const [a, b] = [0x61, 0x62];
  const keys = caseOf([file("aa"), file("ab")]);
  assert.equal(rightOf([keys]), 1);
  assert.equal(rightOf([{ ...keys, bytes: replaced(keys.bytes, [1, 1, b], [0, 2, a, b]) }]), 0);
  const owners = caseOf([file("a"), file("b", 2, { uid: 7 }), file("c", 3, { uid: 7 })]);
  assert.equal(rightOf([owners]), 1);
  // Type, flags, mode 0644 and the number of the owner follow the key.
  const entryOf = (name: number, owner: number) => [0, 1, name, 1, 0, 0xa4, 3, owner];
  const first = replaced(owners.bytes, entryOf(a, 0), entryOf(a, 1));
  assert.equal(rightOf([{ ...owners, bytes: replaced(first, entryOf(b, 1), entryOf(b, 0)) }]), 0);
});
