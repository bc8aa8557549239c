/** The scan of references sees what the decoders see, and as little more than they do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../../src/base/bytes.ts";
import type { ContentItem } from "../../../src/base/entry.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { toHex } from "../../../src/base/ids.ts";
import {
  decodeNode,
  encodeInner,
  encodeLeaf,
  isLeaf,
} from "../../../src/repo/format/catalog-node.ts";
import { decodeList, encodeList } from "../../../src/repo/format/content-list.ts";
import {
  eachListReference,
  eachNodeReference,
  type OnReference,
} from "../../../src/repo/format/node-references.ts";
import { BlobKind } from "../../../src/repo/format/pack-table.ts";
import { anyKey, anyTree } from "../catalog/catalog-support.ts";

type Scan = (bytes: Uint8Array, onReference: OnReference) => void;

function scanned(scan: Scan, bytes: Uint8Array): string[] {
  const found: string[] = [];
  scan(bytes, (kind, at) => found.push(`${kind} ${toHex(bytes.subarray(at, at + 32))}`));
  return found;
}

function named(depth: number, items: readonly ContentItem[]): string[] {
  const kind = depth === 0 ? BlobKind.data : BlobKind.list;
  return items.flatMap(({ id }) => (id === null ? [] : [`${kind} ${toHex(id)}`]));
}

/** What the decoders of whole nodes say. */
function decoded(bytes: Uint8Array): string[] {
  const node = decodeNode(bytes);
  if (!isLeaf(node)) return node.children.map(({ id }) => `${BlobKind.catalog} ${toHex(id)}`);
  return node.entries.flatMap(({ content }) =>
    content === undefined ? [] : named(content.depth, content.items),
  );
}

const anyId = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyChild = fc.record({
  lastKey: anyKey,
  id: anyId,
  entries: fc.integer({ min: 1, max: 2 ** 40 }),
  bytes: fc.maxSafeNat(),
});
const anyInner = fc.record({
  level: fc.integer({ min: 1, max: 15 }),
  children: fc
    .uniqueArray(anyChild, { minLength: 1, maxLength: 40, selector: ({ lastKey }) => lastKey })
    .map((children) => children.sort((a, b) => (a.lastKey < b.lastKey ? -1 : 1))),
});
const anyNode = fc.oneof(
  anyTree.map((entries) => Uint8Array.from(encodeLeaf(entries.slice(0, 256)))),
  anyInner.map((node) => Uint8Array.from(encodeInner(node))),
);

test("the references of a node are those that its decoder finds, in order", () => {
  let some = 0;
  fc.assert(
    fc.property(anyNode, (bytes) => {
      const found = scanned(eachNodeReference, bytes);
      some += found.length;
      assert.deepEqual(found, decoded(bytes));
    }),
    { numRuns: 100 },
  );
  assert.ok(some > 100);
});

test("the references of a list are those that its decoder finds", () => {
  const chunk = fc.record({ id: anyId, length: fc.integer({ min: 1, max: 2 ** 20 }) });
  fc.assert(
    fc.property(fc.nat({ max: 8 }), fc.array(chunk, { minLength: 1 }), (depth, chunks) => {
      const hole = { id: null, length: 5 };
      const items = depth === 0 ? [hole, ...chunks, hole] : chunks;
      const writer = new ByteWriter();
      encodeList(writer, { depth, items });
      const bytes = writer.finish();
      const list = decodeList(bytes);
      assert.deepEqual(scanned(eachListReference, bytes), named(list.depth, list.items));
    }),
    { numRuns: 50 },
  );
});

test("what is cut short or too long is damaged", () => {
  const cut = fc.tuple(anyNode, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
  fc.assert(
    fc.property(cut, ([bytes, share]) => {
      for (const wrong of [
        bytes.subarray(0, Math.floor(bytes.length * share)),
        Buffer.concat([bytes, Buffer.of(0)]),
      ]) {
        assert.throws(
          () => eachNodeReference(wrong, () => {}),
          (error) => hasCode(error, "object-damaged"),
        );
      }
    }),
    { numRuns: 100 },
  );
});

test("any bytes are scanned or damaged, and no reference lies outside", () => {
  const anyBytes = fc
    .tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 300 }))
    .map(([tag, rest]) => Buffer.concat([Buffer.of(tag, 1), rest]));
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      for (const scan of [eachNodeReference, eachListReference]) {
        try {
          scan(bytes, (_, at) => assert.ok(at <= bytes.length));
        } catch (error) {
          assert.ok(hasCode(error, "object-damaged"), String(error));
        }
      }
    }),
    { numRuns: 300 },
  );
});
