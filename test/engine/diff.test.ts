import assert from "node:assert/strict";
import { test } from "node:test";
import { type Entry, EntryType } from "../../src/base/entry.ts";
import { hasCode } from "../../src/base/errors.ts";
import { type DiffOptions, diffSnapshots, newDiffTotals } from "../../src/engine/diff.ts";
import { file, folder, grid, inOrder, key, MemoryNodes } from "../repo/catalog/catalog-support.ts";

const before = inOrder([
  file("a/changed", 99),
  file("a/gone", 199),
  file("a/kept", 1),
  file("a/touched", 2),
  file("b/becomes", 49),
  file("b/renumbered", 3),
]);
const after = inOrder([
  file("a/changed", 299),
  file("a/kept", 1),
  file("a/touched", 2, { mode: 0o600 }),
  folder("b/becomes"),
  file("b/becomes/inside", 9),
  folder("b/link", { type: EntryType.symlink, linkTarget: "x" as never }),
  file("b/renumbered", 3, { inode: 77n, ctimeNs: 5n }),
]);

async function diff(one: Entry[], two: Entry[], options: DiffOptions = {}) {
  const nodes = new MemoryNodes();
  const [a, b] = [nodes.reader(nodes.build(one).root), nodes.reader(nodes.build(two).root)];
  const totals = newDiffTotals();
  const lines: string[] = [];
  for await (const changes of diffSnapshots(a, b, totals, options)) {
    assert.ok(changes.length > 0);
    lines.push(...changes.map(({ kind, key }) => `${kind} ${key.replaceAll("\0", "/")}`));
  }
  return { lines, totals, reads: nodes.reads.length };
}

const changes = [
  "content a/changed",
  "removed a/gone",
  "type b/becomes",
  "added b/becomes/inside",
  "added b/link",
];

test("changes and their totals", async () => {
  const { lines, totals } = await diff(before, after);
  assert.deepEqual(lines, changes);
  assert.deepEqual(totals, {
    added: { files: 1, folders: 1, others: 1, bytes: 10 },
    removed: { files: 2, folders: 0, others: 0, bytes: 250 },
    changed: { files: 1, folders: 0, others: 0, bytes: 300 },
    changedBytesBefore: 100,
    typeChanged: 1,
    metaChanged: 1,
  });
});

test("metadata is shown when asked for; what only serves change detection never", async () => {
  const { lines } = await diff(before, after, { metadata: true });
  assert.deepEqual(lines, changes.toSpliced(2, 0, "meta a/touched"));
});

test("a path limits what is compared", async () => {
  assert.deepEqual((await diff(before, after, { prefix: key("b") })).lines, changes.slice(2));
  assert.deepEqual((await diff(before, after, { prefix: key("a/gone") })).lines, [
    "removed a/gone",
  ]);
  assert.deepEqual((await diff(before, after, { prefix: key("a/kept") })).lines, []);
  await assert.rejects(diff(before, after, { prefix: key("c") }), (error) =>
    hasCode(error, "path-absent"),
  );
});

test("a path in large trees gives what a filter gives, and reads little", async () => {
  const one = [...grid(60, 200)];
  const two = one
    .filter((_, at) => at % 7 !== 3)
    .filter((entry, _, all) => entry.type === EntryType.file || all.length > 0);
  const whole = inOrder([...two, ...one.filter((entry) => entry.type === EntryType.folder)]);
  const all = await diff(one, whole);
  const part = await diff(one, whole, { prefix: key("d0000031") });
  assert.deepEqual(
    part.lines,
    all.lines.filter((line) => line.includes(" d0000031")),
  );
  assert.ok(part.lines.length > 20 && part.reads < all.reads / 10, `${part.reads} reads`);
});
