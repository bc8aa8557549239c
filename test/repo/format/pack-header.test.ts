import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodePackHeader,
  encodePackHeader,
  packHeaderBytes,
} from "../../../src/repo/format/pack-header.ts";
import { assertSurvives, indexPack, plain } from "../../helpers/format-samples.ts";

test("decode of encode is the same, and says where blobs begin", () => {
  fc.assert(
    fc.property(indexPack, fc.uint8Array({ maxLength: 30 }), (pack, blobs) => {
      const { cipher, wrapMethod, wrap } = pack;
      const header = { cipher, wrapMethod, wrap };
      const bytes = encodePackHeader(header);
      assert.equal(packHeaderBytes(header), bytes.length);
      const decoded = decodePackHeader(Buffer.concat([bytes, blobs]));
      assert.deepEqual({ ...decoded, wrap: plain(decoded.wrap) }, header);
    }),
  );
});

test("the layout, byte for byte", () => {
  const bytes = encodePackHeader({ cipher: 2, wrapMethod: 1, wrap: Buffer.from("key") });
  assert.equal(Buffer.from(bytes).toString("latin1"), "VARVP\x01\0\0\x02\x01\x03\0key");
});

test("an unknown cipher is the future, none is damage", () => {
  const bytes = encodePackHeader({ cipher: 1, wrapMethod: 1, wrap: new Uint8Array(72) });
  bytes[8] = 3;
  assert.throws(() => decodePackHeader(bytes), { code: "repo-future" });
  bytes[8] = 0;
  assert.throws(() => decodePackHeader(bytes), { code: "object-damaged" });
});

test("any bytes are decoded, or refused with a code", () => {
  assertSurvives(decodePackHeader, indexPack.map(encodePackHeader));
});
