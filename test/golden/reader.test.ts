/**
 * The golden repositories as the second reader sees them: docs/format.md says what their bytes
 * mean, and the reader, which was written from that page alone, agrees with what was put in.
 */
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { expectedOf, goldenFolder, goldenNames, goldenPassphrase, originalOf } from "./fixture.ts";
import { GoldenReader } from "./reader.ts";
import { type JsonObject, readKeyFile } from "./reader-bytes.ts";

const keyBytes = readKeyFile(join(goldenFolder, "key-file.txt"));

for (const name of goldenNames) {
  test(`${name}: the page's reader finds what is expected, by key and passphrase`, async () => {
    const byKey = await GoldenReader.open(originalOf(name), keyBytes);
    assert.deepEqual(await byKey.read(), expectedOf(name));
    const byPassphrase = await GoldenReader.open(originalOf(name), goldenPassphrase);
    assert.deepEqual(await byPassphrase.read(), expectedOf(name));
  });
}

const values = (of: unknown) => Object.values(of as Record<string, JsonObject>);

test("the fixture holds one of everything", () => {
  const aes = expectedOf("aes-256-gcm");
  const text = JSON.stringify(aes);
  for (const type of ["file", "folder", "symlink", "fifo", "char", "block"]) {
    assert.ok(text.includes(`"type":"${type}"`), type);
  }
  for (const what of ["data raw", "data zstd", "data zstd on base", "catalog zstd on base"]) {
    assert.ok(text.includes(`"${what}":`), what);
  }
  for (const state of ["living", "dead", "unlisted"]) {
    assert.ok(
      values(aes["packs"]).some((pack) => pack["state"] === state),
      state,
    );
  }
  const tombstones = values(aes["tombstones"]);
  assert.deepEqual(new Set(tombstones.map(({ swept }) => swept)), new Set([true, false]));
  for (const merged of [tombstones, values(aes["index"])]) {
    assert.ok(merged.some(({ replaces }) => (replaces as string[]).length > 1));
  }
  assert.ok(tombstones.some(({ sessions }) => (sessions as string[]).length > 0));
  assert.equal(values(aes["sessions"]).length, 1);
  const snapshots = values(aes["snapshots"]);
  assert.equal(snapshots.filter(({ exists }) => exists === false).length, 2);
  const heights = values(aes["catalogs"]).map(({ height }) => height);
  for (const height of [0, 1, 2]) assert.ok(heights.includes(height), `height ${height}`);
  const ids = Object.keys(aes["snapshots"] as JsonObject);
  const previous = snapshots.map((each) => each["previous"]).filter((id) => id !== null);
  assert.ok(
    previous.some((id) => !ids.includes(String(id))),
    "a gap in a chain",
  );
  const description = expectedOf("chacha20-poly1305")["description"] as JsonObject;
  assert.equal((description["pack"] as JsonObject)["padding"], true);
});

test("the fixture stays small", () => {
  const files = readdirSync(goldenFolder, { recursive: true, withFileTypes: true });
  const bytes = files
    .filter((file) => file.isFile())
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
  assert.ok(bytes > 100_000 && bytes < 300 * 1024, `${bytes} bytes`);
});

test("the page's reader notices what is wrong", async () => {
  const name = "aes-256-gcm";
  await assert.rejects(
    GoldenReader.open(
      originalOf(name),
      keyBytes.map((byte) => byte ^ 1),
    ),
  );
  await assert.rejects(GoldenReader.open(originalOf(name), `${goldenPassphrase}.`));
});
