import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Entry, EntryType } from "../../../src/base/entry.ts";
import { hasCode } from "../../../src/base/errors.ts";
import type { CatalogKey, RawPath } from "../../../src/base/raw-path.ts";
import { keyFault } from "../../../src/repo/format/catalog-keys.ts";
import {
  type ChildRef,
  decodeNode,
  encodeInner,
  encodeLeaf,
  isLeaf,
} from "../../../src/repo/format/catalog-node.ts";
import { plainEntry } from "../../../src/repo/format/leaf-entry.ts";
import { anyKey, anyTree, file, folder, inOrder, key } from "../catalog/catalog-support.ts";

const leafOf = (entries: readonly Entry[]) => Uint8Array.from(encodeLeaf(entries));
const anyLeaf = anyTree.map((entries) => entries.slice(0, 256));

function decodedLeaf(bytes: Uint8Array) {
  const node = decodeNode(bytes);
  assert.ok(isLeaf(node));
  return node;
}

test("a leaf comes back as it was", () => {
  fc.assert(
    fc.property(anyLeaf, (entries) => {
      const node = decodedLeaf(leafOf(entries));
      assert.deepEqual(node.entries.map(plainEntry), entries.map(withBuffers));
      assert.equal(
        node.bytes,
        entries.reduce((sum, entry) => sum + entry.size, 0),
      );
    }),
    { numRuns: 60 },
  );
});

/** Buffers where the decoder gives views, so that comparison sees equal types. */
function withBuffers(entry: Entry): Entry {
  const { content, xattrs } = entry;
  const items = content?.items.map(({ id, length }) => ({
    id: id === null ? null : Buffer.from(id),
    length,
  }));
  return {
    ...entry,
    ...(content === undefined ? {} : { content: { depth: content.depth, items: items ?? [] } }),
    ...(xattrs === undefined
      ? {}
      : { xattrs: xattrs.map(({ name, value }) => ({ name, value: Buffer.from(value) })) }),
  };
}

test("fields that an entry does not have read as undefined", () => {
  const [entry] = decodedLeaf(leafOf([folder("a")])).entries;
  assert.equal(entry?.content, undefined);
  assert.equal(entry?.linkTarget, undefined);
  assert.equal(entry?.rdevMajor, undefined);
  assert.equal(entry?.xattrs, undefined);
  assert.equal(entry?.hardLink, undefined);
});

const anyChildren = fc
  .uniqueArray(
    fc
      .tuple(
        anyKey,
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.maxSafeNat(),
      )
      .map(([lastKey, id, entries, bytes]) => ({ lastKey, id: Buffer.from(id), entries, bytes })),
    { selector: (child) => child.lastKey, minLength: 1, maxLength: 256 },
  )
  .map((children) => children.sort((a, b) => (a.lastKey < b.lastKey ? -1 : 1)));

test("an inner node comes back as it was", () => {
  fc.assert(
    fc.property(anyChildren, fc.integer({ min: 1, max: 15 }), (children, level) => {
      const bytes = Uint8Array.from(encodeInner({ level, children }));
      assert.deepEqual(decodeNode(bytes), { level, children });
    }),
  );
});

/** Whatever decodes must be exactly what the encoder writes: one node, one encoding. */
function decodesCanonicallyOrFails(bytes: Uint8Array): boolean {
  let node: ReturnType<typeof decodeNode>;
  try {
    node = decodeNode(bytes);
  } catch (error) {
    assert.ok(hasCode(error, "object-damaged"), String(error));
    return false;
  }
  const again = isLeaf(node) ? encodeLeaf(node.entries) : encodeInner(node);
  assert.deepEqual(Buffer.from(again), Buffer.from(bytes));
  return true;
}

test("any bytes decode to what encodes to them, or are damaged", () => {
  const header = fc.constantFrom([1, 1], [2, 1, 1], [2, 1, 2], []);
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      decodesCanonicallyOrFails(Uint8Array.from([...start, ...rest]));
    }),
    { numRuns: 3000 },
  );
});

test("a changed, shortened or lengthened node decodes canonically or is damaged", () => {
  let accepted = 0;
  const spoil = (bytes: Uint8Array, at: number, value: number, how: number) => {
    const index = at % bytes.length;
    if (how === 0) return bytes.subarray(0, index);
    if (how === 1) return Uint8Array.from([...bytes, value]);
    const copy = Uint8Array.from(bytes);
    copy[index] = how === 2 ? value : (copy[index] ?? 0) ^ (1 << (value % 8));
    return copy;
  };
  const anyNode = fc.oneof(
    anyLeaf.map((entries) => leafOf(entries.slice(0, 12))),
    anyChildren.map((children) => Uint8Array.from(encodeInner({ level: 1, children }))),
  );
  fc.assert(
    fc.property(anyNode, fc.nat(), fc.nat(255), fc.nat(3), (bytes, at, value, how) => {
      if (decodesCanonicallyOrFails(spoil(bytes, at, value, how))) accepted++;
    }),
    { numRuns: 1500 },
  );
  // Other values are good values: what sees them is the blob's id. But some must be seen here.
  assert.ok(accepted > 0 && accepted < 1400, `${accepted} were accepted`);
});

test("keys that could lead outside the tree are refused both ways", () => {
  const bad = ["", "..", ".", "a\0..", "a\0..\0b", "a\0.", "a/b", "/a", "a\0", "\0a", "a\0\0b"];
  for (const one of [...bad, "x".repeat(256), `${"ab\0".repeat(22_000)}c`, "\u0100"]) {
    assert.notEqual(keyFault(one), undefined, JSON.stringify(one).slice(0, 40));
    const entry = file("a", 1, { key: one as CatalogKey });
    assert.throws(
      () => encodeLeaf([entry]),
      (error) => hasCode(error, "limit-exceeded"),
    );
    if (one.length > 200 || one === "") continue;
    const bytes = swapName(leafOf([file("@".repeat(one.length))]), "@".repeat(one.length), one);
    if (one === "\u0100") continue;
    assert.throws(
      () => decodeNode(bytes),
      (error) => hasCode(error, "object-damaged"),
      JSON.stringify(one),
    );
  }
  for (const one of ["...", ".a", "..a", "a..", "a\0.b", "x".repeat(255), "\x01", "\xff\xfe"]) {
    assert.equal(keyFault(one), undefined, one);
  }
});

function swapName(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const at = Buffer.from(bytes).indexOf(from, "latin1");
  const copy = Buffer.from(bytes);
  copy.write(to, at, "latin1");
  return copy;
}

test('a name ".." made of a shared prefix and a suffix is refused', () => {
  // "a\0." is the shared part of "a\0.x" and what would be "a\0.."; the latter sorts before.
  const entries = [folder("a"), file("a/.-"), file("a/.@")];
  const bytes = leafOf(entries);
  const at = Buffer.from(bytes).indexOf(Buffer.from([3, 1, 0x40]));
  assert.ok(at > 0, "3 bytes shared, 1 byte more: @");
  const copy = Uint8Array.from(bytes);
  copy[at + 2] = 0x2e;
  assert.throws(
    () => decodeNode(copy),
    (error) => hasCode(error, "object-damaged"),
  );
});

test("a leaf takes 256 entries, and no more are read", () => {
  const many = [...inOrder(Array.from({ length: 257 }, (_, at) => file(`f${at}`, at)))];
  assert.equal(decodedLeaf(leafOf(many.slice(0, 256))).entries.length, 256);
  assert.throws(
    () => decodeNode(leafOf(many)),
    (error) => hasCode(error, "object-damaged"),
  );
});

test("entries beyond what the format holds are refused by name", () => {
  const large = { name: "user.big", value: new Uint8Array(9 * 1024 * 1024) };
  const cases: Entry[] = [
    file("a", 1, { mtimeNs: 2n ** 63n }),
    file("a", 1, { ctimeNs: -(2n ** 63n) - 1n }),
    file("a", 1, { user: "x".repeat(256) }),
    folder("a", { xattrs: [large] }),
    folder("a", { type: EntryType.symlink, linkTarget: "x".repeat(65_536) as RawPath }),
  ];
  for (const entry of cases) {
    assert.throws(
      () => encodeLeaf([entry]),
      (error) => hasCode(error, "limit-exceeded") && /\/a /.test(error.message),
    );
  }
});

test("a file whose content is not as long as the file is a bug, or damage", () => {
  const entry = file("a", 41);
  assert.throws(
    () => encodeLeaf([{ ...entry, size: 43 }]),
    (error) => hasCode(error, "internal"),
  );
  const bytes = leafOf([entry]);
  const at = Buffer.from(bytes).lastIndexOf(Buffer.from([42, 0, 1, 84]));
  assert.ok(at > 0);
  const copy = Uint8Array.from(bytes);
  copy[at] = 43;
  assert.throws(
    () => decodeNode(copy),
    (error) => hasCode(error, "object-damaged"),
  );
});

test("contents that no decoder takes are bugs", () => {
  const id = new Uint8Array(32);
  const hole = { id: null, length: 1 };
  const chunk = { id, length: 1 };
  const contents = [
    { depth: 0, items: [hole, hole] },
    { depth: 1, items: [hole, chunk] },
    { depth: 0, items: [chunk, { id, length: 0 }] },
    { depth: 0, items: [{ id: id.subarray(1), length: 2 }] },
    { depth: 0, items: new Array(65).fill(chunk) },
  ];
  for (const content of contents) {
    const size = content.items.reduce((sum, item) => sum + item.length, 0);
    assert.throws(
      () => encodeLeaf([file("a", 1, { content, size })]),
      (error) => hasCode(error, "internal"),
    );
  }
});

test("a leaf has these bytes", () => {
  const children: ChildRef[] = [
    { lastKey: key("ab/c"), id: new Uint8Array(32).fill(7), entries: 300, bytes: 5 },
    { lastKey: key("ab/d"), id: new Uint8Array(32).fill(8), entries: 1, bytes: 0 },
  ];
  assert.equal(
    Buffer.from(encodeInner({ level: 3, children })).toString("hex"),
    `0201030200046162${"00"}63${"07".repeat(32)}ac02050301${"64"}${"08".repeat(32)}0100`,
  );
  const link = folder("l", {
    type: EntryType.symlink,
    linkTarget: "t" as RawPath,
    mode: 0o777,
    mtimeNs: -1n,
    ctimeNs: 1n,
    inode: 2n,
    hardLink: 5,
    xattrs: [{ name: "n", value: Uint8Array.of(9) }],
  });
  assert.equal(
    Buffer.from(encodeLeaf([link])).toString("hex"),
    [
      "0101", // leaf, version
      "01", // owners
      "e807e80703616e6e057374616666", // 1000, 1000, ann, staff
      "01", // entries
      "00016c", // key
      "0303ff0300", // symlink, both flags, mode, owner
      "ffffffffffffffff",
      "0100000000000000",
      "0200000000000000",
      "0174", // target
      "05", // hard link
      "01016e0109", // attributes
    ].join(""),
  );
});
