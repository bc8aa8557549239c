/** Profiles from a repository are either sound or refused with a code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { gearTableFromBytes } from "../../src/chunker/gear-table.ts";
import {
  type ChunkProfile,
  chunkBytesMax,
  chunkBytesMin,
  cutBits,
  parseChunkProfile,
  streamProfile,
  treeProfile,
} from "../../src/chunker/profiles.ts";
import { anySmallProfile } from "./sample-data.ts";

test("sound profiles come through JSON", () => {
  const anyProfile = fc.oneof(fc.constantFrom(treeProfile, streamProfile), anySmallProfile);
  fc.assert(
    fc.property(anyProfile, (profile) => {
      assert.deepEqual(parseChunkProfile(JSON.parse(JSON.stringify(profile))), profile);
    }),
  );
});

const refused: Record<string, Partial<Record<keyof ChunkProfile, unknown>>> = {
  "not a power of two": { averageBytes: 1_000_000 },
  "not whole": { minBytes: 64.5 },
  negative: { minBytes: -65_536 },
  zero: { minBytes: 0 },
  infinite: { maxBytes: Number.POSITIVE_INFINITY },
  "not a number": { maxBytes: Number.NaN },
  "a fraction that is a power of two": { minBytes: 0.5 },
  "a text": { minBytes: "65536" },
  missing: { normalization: undefined },
  "min too small": { minBytes: chunkBytesMin / 2 },
  "max too large": { maxBytes: chunkBytesMax * 2 },
  "min not below average": { minBytes: treeProfile.averageBytes },
  "average not below max": { maxBytes: treeProfile.averageBytes },
  "normalization too high": { normalization: 4 },
  "normalization negative": { normalization: -1 },
  "normalization not whole": { normalization: 1.5 },
};

for (const [name, change] of Object.entries(refused)) {
  test(`refused: ${name}`, () => {
    const value = { ...treeProfile, ...change };
    assert.throws(() => parseChunkProfile(value), { code: "object-damaged" });
  });
}

test("a property of a later version is not passed over", () => {
  assert.throws(() => parseChunkProfile({ ...treeProfile, window: 48 }), { code: "repo-future" });
});

test("anything parses to a sound profile or to a coded error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.record({ minBytes: fc.jsonValue() })), (value) => {
      try {
        parseChunkProfile(value);
      } catch (error) {
        assert.ok(hasCode(error, "object-damaged", "repo-future"));
      }
    }),
  );
});

test("conditions are as strict as the profile says, and fit the 32 high bits", () => {
  assert.deepEqual(cutBits(treeProfile), { strictBits: 21, looseBits: 19 });
  assert.deepEqual(cutBits(streamProfile), { strictBits: 18, looseBits: 14 });
  fc.assert(
    fc.property(anySmallProfile, (profile) => {
      const { strictBits, looseBits } = cutBits(profile);
      assert.ok(looseBits >= 1 && strictBits >= looseBits && strictBits <= 32);
    }),
  );
});

test("a gear table is 2048 bytes, and a copy", () => {
  const material = new Uint8Array(2048);
  const table = gearTableFromBytes(material);
  material.fill(1);
  assert.ok(table.every((byte) => byte === 0));
  assert.throws(() => gearTableFromBytes(new Uint8Array(2047)), { code: "internal" });
});
