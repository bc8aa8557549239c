import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../../src/base/bytes.ts";
import type { Content, ContentItem } from "../../../src/base/entry.ts";
import { hasCode } from "../../../src/base/errors.ts";
import { toHex } from "../../../src/base/ids.ts";
import {
  ContentBuilder,
  decodeList,
  encodeList,
  inlineItemsMax,
  listItemsMax,
  type PlacedItem,
  readContent,
  readContentRuns,
} from "../../../src/repo/format/content-list.ts";

class Lists {
  readonly lists = new Map<string, Uint8Array>();
  reads = 0;
  readonly put = (plaintext: Uint8Array) => {
    const id = createHash("sha256").update(plaintext).digest();
    this.lists.set(toHex(id), Uint8Array.from(plaintext));
    return id;
  };
  readonly read = async (id: Uint8Array) => {
    this.reads++;
    const bytes = this.lists.get(toHex(id));
    assert.ok(bytes !== undefined);
    return bytes;
  };

  build(items: readonly ContentItem[]): Content {
    const builder = new ContentBuilder({ putList: this.put });
    for (const { id, length } of items) builder.append(id, length);
    return builder.finish();
  }

  async flat(content: Content, range = {}): Promise<PlacedItem[]> {
    const items: PlacedItem[] = [];
    for await (const item of readContent(content, this.read, range)) items.push(item);
    return items;
  }
}

/** `hash` of numbers stands for chunks of different content. */
const chunk = (seed: number): ContentItem => ({
  id: createHash("sha256").update(`${seed}`).digest(),
  length: 1 + (seed % 999),
});
const chunks = (count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => chunk(from + at));
const plain = (items: readonly PlacedItem[]) =>
  items.map(({ id, length }) => ({ id: id === null ? null : toHex(id), length }));

/** Offsets follow from lengths. */
function placed(items: readonly ContentItem[]): PlacedItem[] {
  let fileOffset = 0;
  return items.map(({ id, length }) => {
    const item = { id, length, fileOffset };
    fileOffset += length;
    return item;
  });
}

test("up to 64 items stand in the entry", () => {
  const lists = new Lists();
  assert.deepEqual(lists.build([]), { depth: 0, items: [] });
  const most = chunks(inlineItemsMax);
  assert.deepEqual(lists.build(most), { depth: 0, items: most });
  assert.equal(lists.lists.size, 0);
  const more = lists.build(chunks(inlineItemsMax + 1));
  assert.equal(more.depth, 1);
  assert.equal(more.items.length, lists.lists.size);
});

test("long contents come back, in lists of about 256", async () => {
  const lists = new Lists();
  const items = chunks(60_000);
  const content = lists.build(items);
  assert.equal(content.depth, 2);
  assert.ok(content.items.length <= inlineItemsMax);
  assert.deepEqual(plain(await lists.flat(content)), plain(placed(items)));
  const average = 60_000 / lists.lists.size;
  assert.ok(average > 200 && average < 320, `average ${average}`);
});

test("the same chunk over and over is cut by count", async () => {
  const lists = new Lists();
  const never = chunks(2000).find(({ id }) => (id?.[3] ?? 0) > 128);
  const always = { id: new Uint8Array(32), length: 5 };
  for (const item of [never ?? always, always]) {
    const items = new Array<ContentItem>(5000).fill(item);
    const content = lists.build(items);
    assert.deepEqual(plain(await lists.flat(content)), plain(placed(items)));
  }
  for (const bytes of lists.lists.values()) {
    assert.ok(decodeList(bytes).items.length <= listItemsMax);
  }
});

const anyItem = fc.oneof(
  { weight: 9, arbitrary: fc.nat(300).map(chunk) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 9 }).map((length) => ({ id: null, length })) },
);

test("holes that touch are one, empty ones are none, offsets add up", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyItem, { maxLength: 1500, size: "max" }), async (items) => {
      const lists = new Lists();
      const got = await lists.flat(lists.build(items));
      const merged: ContentItem[] = [];
      for (const { id, length } of items) {
        const last = merged.at(-1);
        if (length === 0) continue;
        if (id === null && last?.id === null) {
          merged[merged.length - 1] = { id, length: last.length + length };
        } else merged.push({ id, length });
      }
      assert.deepEqual(
        got.map((item) => ({ ...item, id: item.id === null ? null : toHex(item.id) })),
        placed(merged).map((item) => ({ ...item, id: item.id === null ? null : toHex(item.id) })),
      );
    }),
    { numRuns: 25 },
  );
});

test("a range gives the items that overlap it and reads no other lists", async () => {
  const lists = new Lists();
  const items = chunks(30_000);
  const content = lists.build(items);
  const all = placed(items);
  const size = content.items.reduce((sum, item) => sum + item.length, 0);
  await fc.assert(
    fc.asyncProperty(fc.nat(size), fc.nat(4000), async (start, length) => {
      const end = start + length;
      lists.reads = 0;
      const got = await lists.flat(content, { start, end });
      const wanted = all.filter(
        (item) => item.fileOffset + item.length > start && item.fileOffset < end,
      );
      assert.deepEqual(plain(got), plain(wanted));
      assert.ok(lists.reads <= 6, `${lists.reads} lists for ${wanted.length} items`);
    }),
    { numRuns: 40 },
  );
});

test("a change rewrites the lists around it and no others", () => {
  const lists = new Lists();
  const items = chunks(100_000);
  lists.build(items);
  for (const at of [0, 70, 40_000, 99_999]) {
    for (const edited of [
      items.with(at, chunk(777_777)),
      items.toSpliced(at, 0, chunk(777_778), chunk(777_779)),
      items.toSpliced(at, 1),
    ]) {
      const before = lists.lists.size;
      lists.build(edited);
      const fresh = lists.lists.size - before;
      assert.ok(fresh <= 8, `${fresh} new lists after a change at ${at}`);
    }
  }
});

test("a builder is empty again after finish", () => {
  const lists = new Lists();
  const builder = new ContentBuilder({ putList: lists.put });
  for (const items of [chunks(500), [], chunks(3), chunks(500)]) {
    for (const { id, length } of items) builder.append(id, length);
    assert.equal(
      builder.size,
      items.reduce((sum, item) => sum + item.length, 0),
    );
    assert.deepEqual(builder.finish(), new Lists().build(items));
  }
});

test("a file of more than 4 PiB is refused", () => {
  const builder = new ContentBuilder({ putList: new Lists().put });
  builder.append(null, 2 ** 52 - 1);
  assert.throws(
    () => builder.append(null, 1),
    (error) => hasCode(error, "limit-exceeded"),
  );
});

test("any bytes decode to the list that encodes to them, or are damaged", () => {
  const valid = fc.array(fc.nat(99).map(chunk), { minLength: 1, maxLength: 5 }).map((items) => {
    const writer = new ByteWriter();
    encodeList(writer, { depth: 0, items });
    return writer.finish();
  });
  const spoiled = fc.tuple(valid, fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
    const copy = Uint8Array.from(bytes);
    copy[at % copy.length] = value;
    return copy;
  });
  const any = fc
    .uint8Array({ maxLength: 120 })
    .map((bytes) => Uint8Array.from([1, ...bytes.subarray(0, 1).map((b) => b % 3), ...bytes]));
  fc.assert(
    fc.property(fc.oneof(valid, spoiled, any), (bytes) => {
      try {
        const list = decodeList(bytes);
        const writer = new ByteWriter();
        encodeList(writer, list);
        assert.deepEqual(Buffer.from(writer.view()), Buffer.from(bytes));
      } catch (error) {
        assert.ok(hasCode(error, "object-damaged"), String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test("a list in the wrong place is damage", async () => {
  const lists = new Lists();
  const content = lists.build(chunks(2000));
  const [first, second] = content.items;
  assert.ok(first !== undefined && second !== undefined && first.length !== second.length);
  const swapped = { ...content, items: [{ ...first, id: second.id }] };
  const deeper = { ...content, depth: 2 };
  for (const wrong of [swapped, deeper]) {
    await assert.rejects(lists.flat(wrong), (error) => hasCode(error, "object-damaged"));
  }
});

test("runs come list by list", async () => {
  const lists = new Lists();
  const content = lists.build(chunks(3000));
  let runs = 0;
  for await (const run of readContentRuns(content, lists.read)) {
    runs++;
    assert.ok(run.length > 0 && run.length <= listItemsMax);
  }
  assert.equal(runs, content.items.length);
});

test("a list has these bytes", () => {
  const writer = new ByteWriter();
  const id = new Uint8Array(32).fill(7);
  encodeList(writer, {
    depth: 0,
    items: [
      { id, length: 100 },
      { id: null, length: 4096 },
    ],
  });
  const hex = Buffer.from(writer.view()).toString("hex");
  assert.equal(hex, `010002c801${"07".repeat(32)}8140`);
});
