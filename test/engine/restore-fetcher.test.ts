import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VarveError } from "../../src/base/errors.ts";
import { type PackId, toHex } from "../../src/base/ids.ts";
import { BlobFetcher, type BlobSource, rangesOf } from "../../src/engine/restore/blob-fetcher.ts";
import { BlobField, blobFieldCount } from "../../src/engine/workers/restore-protocol.ts";
import type { BlobPlace } from "../../src/repo/blob-index.ts";
import { BlobKind, Encoding } from "../../src/repo/format/pack-table.ts";

const idOf = (n: number) => Buffer.alloc(32, n);
const packOf = (packNo: number) => toHex(Buffer.alloc(32, packNo)) as PackId;

function placeOf(packNo: number, offset: number, length: number): BlobPlace {
  const kinds = { kind: BlobKind.data, encoding: Encoding.raw };
  return { packNo, ordinal: 0, offset, length, rawLength: length - 16, ...kinds };
}

/** A repository whose packs are bytes that tell their pack and offset. */
class FakeSource implements BlobSource {
  readonly packs = new Map<string, Buffer>();
  readonly places = new Map<string, BlobPlace>();
  readonly reads: string[] = [];
  loads = 0;
  /** Dropped from the cache by another process. */
  readonly dropped = new Set<number>();
  onLoad: () => void = () => {};

  addPack(packNo: number, size: number): void {
    const name = `packs/${packOf(packNo).slice(0, 2)}/${packOf(packNo)}`;
    this.packs.set(name, Buffer.from(Array.from({ length: size }, (_, at) => packNo * 31 + at)));
  }

  removePack(packNo: number): void {
    this.packs.delete(`packs/${packOf(packNo).slice(0, 2)}/${packOf(packNo)}`);
  }

  readonly store = {
    getRange: async (name: string, offset: number, length: number): Promise<Uint8Array> => {
      this.reads.push(`${name.slice(-2)}:${offset}+${length}`);
      const pack = this.packs.get(name);
      if (pack === undefined) throw new VarveError("object-absent", "gone");
      if (offset + length > pack.length) throw new VarveError("object-damaged", "too short");
      return pack.subarray(offset, offset + length);
    },
  };

  readonly index = {
    find: (_: BlobKind, id: Uint8Array) => this.places.get(toHex(id)),
    inOneView: <T>(look: () => T): T => look(),
    copies: (_: BlobKind, id: Uint8Array) => {
      const place = this.places.get(toHex(id));
      return place === undefined ? [] : [place];
    },
    packInfo: (packNo: number) => {
      if (this.dropped.has(packNo)) throw new VarveError("blob-absent", "pruned");
      return {
        packNo,
        pack: packOf(packNo),
        size: 1000,
        cipher: 1 as const,
        wrapMethod: 1,
        wrap: Buffer.alloc(72, packNo),
        blobCount: 1,
      };
    },
  };

  async loadIndex(): Promise<void> {
    this.loads++;
    await new Promise((resolve) => setImmediate(resolve));
    this.onLoad();
  }

  wanted(...numbers: number[]) {
    return numbers.map((n) => {
      const place = this.places.get(toHex(idOf(n)));
      assert.ok(place);
      return { id: idOf(n), place };
    });
  }
}

/** The stored bytes of each blob in a batch; undefined where they could not be had. */
function bytesOf(batch: Awaited<ReturnType<BlobFetcher["fetch"]>>): (string | undefined)[] {
  return Array.from({ length: batch.ids.length / 32 }, (_, blob) => {
    const field = (name: keyof typeof BlobField) =>
      batch.fields[blob * blobFieldCount + BlobField[name]] as number;
    const segment = batch.segments[field("segment")];
    const at = field("at");
    return segment && Buffer.from(segment.subarray(at, at + field("length"))).toString("hex");
  });
}

function twoPacks(): FakeSource {
  const source = new FakeSource();
  source.addPack(1, 300);
  source.addPack(2, 300);
  source.places.set(toHex(idOf(1)), placeOf(1, 10, 20));
  source.places.set(toHex(idOf(2)), placeOf(1, 40, 20));
  source.places.set(toHex(idOf(3)), placeOf(2, 0, 30));
  return source;
}

const hexAt = (packNo: number, offset: number, length: number) =>
  Buffer.from(Array.from({ length }, (_, at) => packNo * 31 + offset + at)).toString("hex");

test("blobs near each other are read at once, in any order", async () => {
  const source = twoPacks();
  const batch = await new BlobFetcher(source).fetch(source.wanted(2, 3, 1));
  assert.deepEqual(bytesOf(batch), [hexAt(1, 40, 20), hexAt(2, 0, 30), hexAt(1, 10, 20)]);
  assert.deepEqual(source.reads, ["01:10+50", "02:0+30"]);
  assert.equal(batch.packs.length, 2);
});

test("a pack that a prune replaced is found by loading the index again, once for all", async () => {
  const source = twoPacks();
  const fetcher = new BlobFetcher(source);
  const wanted = source.wanted(1, 2, 3);
  source.removePack(1);
  source.onLoad = () => {
    source.addPack(3, 300);
    source.places.set(toHex(idOf(1)), placeOf(3, 100, 20));
    source.places.set(toHex(idOf(2)), placeOf(3, 0, 20));
  };
  const batches = await Promise.all([fetcher.fetch(wanted), fetcher.fetch(wanted)]);
  for (const batch of batches) {
    assert.deepEqual(bytesOf(batch), [hexAt(3, 100, 20), hexAt(3, 0, 20), hexAt(2, 0, 30)]);
  }
  assert.equal(source.loads, 1);
});

test("a pack that another process has dropped from the cache is looked for anew", async () => {
  const source = twoPacks();
  const fetcher = new BlobFetcher(source);
  const wanted = source.wanted(1, 3);
  source.removePack(1);
  source.dropped.add(1);
  const gone = await fetcher.fetch(wanted);
  assert.deepEqual(bytesOf(gone), [undefined, hexAt(2, 0, 30)]);
  source.onLoad = () => {
    source.addPack(3, 300);
    source.places.set(toHex(idOf(1)), placeOf(3, 100, 20));
  };
  const batch = await fetcher.fetch(wanted);
  assert.deepEqual(bytesOf(batch), [hexAt(3, 100, 20), hexAt(2, 0, 30)]);
});

test("what no index knows any more is without bytes, and is not looked for for ever", async () => {
  const source = twoPacks();
  const fetcher = new BlobFetcher(source);
  source.removePack(1);
  for (let again = 0; again < 3; again++) {
    const batch = await fetcher.fetch(source.wanted(1, 3));
    assert.deepEqual(bytesOf(batch), [undefined, hexAt(2, 0, 30)]);
  }
  assert.equal(source.loads, 1);
});

test("a store that cannot be reached is no absent blob", async () => {
  const source = twoPacks();
  source.store.getRange = async () => {
    throw new VarveError("store-unreachable", "no route");
  };
  await assert.rejects(new BlobFetcher(source).fetch(source.wanted(1)), {
    code: "store-unreachable",
  });
});

test("bases come with the blobs that stand on them, once", async () => {
  const source = twoPacks();
  for (const n of [4, 5]) {
    const place = {
      ...placeOf(2, n * 20, 20),
      encoding: Encoding.zstdOnBase,
      baseId: idOf(1),
      generation: 1,
    };
    source.places.set(toHex(idOf(n)), place);
  }
  const batch = await new BlobFetcher(source).fetch(source.wanted(4, 5));
  assert.equal(batch.ids.length / 32, 3);
  const base = (blob: number) => batch.fields[blob * blobFieldCount + BlobField.base];
  assert.deepEqual([base(0), base(1), base(2)], [2, 2, -1]);
  assert.equal(bytesOf(batch)[2], hexAt(1, 10, 20));
});

test("ranges cover each blob once, hold one pack each, and stay within their bounds", () => {
  const blob = fc.record({
    packNo: fc.nat(3),
    slot: fc.nat(30),
    length: fc.integer({ min: 17, max: 99 }),
    stands: fc.boolean(),
  });
  const limits = { gapBytes: 150, rangeBytesMax: 500 };
  fc.assert(
    fc.property(
      fc.uniqueArray(blob, {
        selector: (b) => `${b.packNo}:${b.slot}`,
        maxLength: 100,
        size: "max",
      }),
      (blobs) => {
        const wanted = blobs.map(({ packNo, slot, length, stands }, n) => {
          const place = { ...placeOf(packNo, slot * 100, length), rawLength: 300 };
          const onBase = {
            ...place,
            encoding: Encoding.zstdOnBase,
            baseId: idOf(1),
            generation: 1,
          };
          return { id: idOf(n % 256), place: stands ? onBase : place };
        });
        const ranges = rangesOf(wanted, limits);
        assert.deepEqual(new Set(ranges.flat()), new Set(wanted));
        assert.equal(ranges.flat().length, wanted.length);
        for (const range of ranges) {
          const places = range.map(({ place }) => place);
          const [first, last] = [places[0], places.at(-1)];
          assert.ok(first && last);
          assert.ok(places.every(({ packNo }) => packNo === first.packNo));
          assert.ok(last.offset + last.length - first.offset <= limits.rangeBytesMax);
          const bases = places.filter(({ baseId }) => baseId !== undefined).length;
          assert.ok(bases * 150 <= limits.rangeBytesMax, "with the bases that they stand on");
          for (const [at, place] of places.entries()) {
            const before = places[at - 1];
            if (before === undefined) continue;
            const gap = place.offset - (before.offset + before.length);
            assert.ok(gap >= 0 && gap <= limits.gapBytes);
          }
        }
      },
    ),
  );
});
