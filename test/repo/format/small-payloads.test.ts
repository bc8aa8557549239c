/** Snapshots, leases, tombstones and fences. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { sessionId } from "../../../src/base/ids.ts";
import type { RawPath } from "../../../src/base/raw-path.ts";
import {
  decodeFence,
  encodeFence,
  fenceName,
  parseFenceName,
} from "../../../src/repo/format/fence.ts";
import { decodeSession, encodeSession } from "../../../src/repo/format/session.ts";
import {
  decodeSnapshot,
  encodeSnapshot,
  type Snapshot,
} from "../../../src/repo/format/snapshot.ts";
import { decodeTombstone, encodeTombstone } from "../../../src/repo/format/tombstone.ts";
import {
  assertSurvives,
  fence,
  lease,
  plain,
  snapshot,
  tombstone,
} from "../../helpers/format-samples.ts";

describe("snapshot", () => {
  const sample = fc.sample(snapshot, { numRuns: 1, seed: 2 })[0] as Snapshot;
  const changed = (fields: object) => {
    const json = JSON.parse(Buffer.from(encodeSnapshot(sample)).toString());
    return () => decodeSnapshot(Buffer.from(JSON.stringify({ ...json, ...fields })));
  };

  test("decode of encode is the same, unknown fields included", () => {
    fc.assert(
      fc.property(snapshot, (value) => {
        const decoded = decodeSnapshot(encodeSnapshot(value));
        assert.deepEqual({ ...decoded, root: plain(decoded.root) }, value);
      }),
    );
  });

  test("any bytes are decoded, or refused with a code", () => {
    assertSurvives(decodeSnapshot, snapshot.map(encodeSnapshot));
  });

  test("paths are text where they can be", () => {
    const paths = ["/home/\xc3\xa9", "/home/\xe9"] as RawPath[];
    const bytes = encodeSnapshot({ ...sample, paths });
    const json = JSON.parse(Buffer.from(bytes).toString());
    assert.deepEqual(json.paths, [{ text: "/home/é" }, { base64: "L2hvbWUv6Q==" }]);
    assert.deepEqual(decodeSnapshot(bytes).paths, paths);
  });

  test("a newer version is the future, other oddities are damage", () => {
    assert.throws(changed({ version: 2 }), { code: "repo-future" });
    for (const fields of [
      { version: 0 },
      { root: "ab" },
      { root: null },
      { previous: "x" },
      { session: "g".repeat(32) },
      { tags: "none" },
      { totals: { entries: 1 } },
      { paths: [{}] },
      { paths: [{ base64: "L2hvb*" }] },
      { timeNs: 5 },
      { sources: [{}] },
    ]) {
      assert.throws(changed(fields), { code: "object-damaged" }, JSON.stringify(fields));
    }
  });
});

describe("session lease", () => {
  test("decode of encode is the same", () => {
    fc.assert(
      fc.property(lease, (value) => {
        assert.deepEqual(decodeSession(encodeSession(value)), value);
      }),
    );
  });

  test("any bytes are decoded, or refused with a code", () => {
    assertSurvives(decodeSession, lease.map(encodeSession));
  });
});

describe("tombstone", () => {
  test("decode of encode is the same", () => {
    fc.assert(
      fc.property(tombstone, (value) => {
        assert.deepEqual(decodeTombstone(encodeTombstone(value)), value);
      }),
    );
  });

  test("any bytes are decoded, or refused with a code", () => {
    assertSurvives(decodeTombstone, tombstone.map(encodeTombstone));
  });

  test("unknown flags are the future; counts that lie are damage", () => {
    assert.throws(() => decodeTombstone(Buffer.of(2, 0, 0, 0)), { code: "repo-future" });
    assert.deepEqual(decodeTombstone(Buffer.of(1, 0, 0, 0)).swept, true);
    for (const bytes of [
      [0, 0xff, 0x7f, 0, 0],
      [0, 0, 0xff, 0x7f, 0],
      [0, 0, 0, 0xff, 0x7f],
      [0, 0, 0xff, 0xff, 0xff, 0x7f],
      [0, 0, 0, 0, 0],
    ]) {
      assert.throws(() => decodeTombstone(Buffer.from(bytes)), { code: "object-damaged" });
    }
  });

  test("more packs than fit an object are refused when written", () => {
    const packs = new Array(400_001).fill("ab".repeat(32));
    const write = () => encodeTombstone({ swept: false, replaces: [], packs, sessions: [] });
    assert.throws(write, { code: "limit-exceeded" });
  });
});

describe("fence", () => {
  test("decode of encode is the same", () => {
    fc.assert(
      fc.property(fence, (value) => {
        assert.deepEqual(decodeFence(encodeFence(value)), value);
      }),
    );
  });

  test("any bytes are decoded, or refused with a code", () => {
    assertSurvives(decodeFence, fence.map(encodeFence));
  });

  test("not listed yet, and listed but empty, are two things", () => {
    assert.equal(decodeFence(Buffer.of(0, 0)).listed, false);
    assert.equal(decodeFence(Buffer.of(1, 0)).listed, true);
    assert.throws(() => decodeFence(Buffer.of(2, 0)), { code: "repo-future" });
    const lies = Buffer.concat([Buffer.of(0, 1), new Uint8Array(32)]);
    assert.throws(() => decodeFence(lies), { code: "object-damaged" });
  });

  test("a name is both sessions", () => {
    const session = sessionId("a".repeat(32));
    const pruner = sessionId("b".repeat(32));
    assert.deepEqual(parseFenceName(fenceName(session, pruner)), { session, pruner });
    for (const name of ["", "a".repeat(65), `${"a".repeat(32)}-`, "../x"]) {
      assert.throws(() => parseFenceName(name), { code: "object-damaged" });
    }
  });
});
