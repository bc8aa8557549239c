import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryType } from "../../src/base/entry.ts";
import { hasCode } from "../../src/base/errors.ts";
import { toHex } from "../../src/base/ids.ts";
import { rawPathFromText } from "../../src/base/raw-path.ts";
import { Finder, type FindQuery } from "../../src/engine/find.ts";
import type { CatalogReader } from "../../src/repo/catalog/catalog-reader.ts";
import type { NodeDamage } from "../../src/repo/catalog/node-reader.ts";
import { file, folder, grid, inOrder, key, MemoryNodes } from "../repo/catalog/catalog-support.ts";

const tree = inOrder([
  file("home/ann/notes.TXT", 100),
  file("home/ann/a/b/notes.txt", 200),
  file("home/bob/notes.txt/deep", 300, { mtimeNs: 1000n }),
  file(rawPathFromText("srv/Öl/größe.txt"), 400),
  file("srv/\xff\xfeA.txt", 500),
  folder("srv/link", { type: EntryType.symlink, linkTarget: "x" as never, mtimeNs: 2000n }),
]);

async function found(
  finder: Finder,
  catalog: CatalogReader,
  onDamage?: (damage: NodeDamage) => void,
): Promise<string[]> {
  const all: string[] = [];
  for await (const entries of finder.search(catalog, onDamage)) {
    all.push(...entries.map((entry) => entry.key.replaceAll("\0", "/")));
  }
  return all;
}

async function find(pattern: string, query: Partial<FindQuery> = {}): Promise<string[]> {
  const nodes = new MemoryNodes();
  const catalog = nodes.reader(nodes.build(tree).root);
  return found(new Finder({ pattern: rawPathFromText(pattern), ...query }), catalog);
}

test("patterns of names and of paths", async () => {
  const raw = rawPathFromText;
  assert.deepEqual(await find("*.txt"), [
    "home/ann/a/b/notes.txt",
    "home/bob/notes.txt",
    raw("srv/Öl/größe.txt"),
    "srv/\xff\xfeA.txt",
  ]);
  assert.deepEqual(await find("notes.txt"), ["home/ann/a/b/notes.txt", "home/bob/notes.txt"]);
  assert.deepEqual(await find("/home/*/notes.*"), ["home/ann/notes.TXT", "home/bob/notes.txt"]);
  assert.deepEqual(await find("/home/ann/**"), [
    "home/ann/a",
    "home/ann/a/b",
    "home/ann/a/b/notes.txt",
    "home/ann/notes.TXT",
  ]);
  assert.deepEqual(await find("a/**/notes.txt"), ["home/ann/a/b/notes.txt"]);
  assert.deepEqual(await find("ann/**/notes.*"), ["home/ann/a/b/notes.txt", "home/ann/notes.TXT"]);
  assert.deepEqual(await find("/notes.txt"), []);
  assert.deepEqual(await find("/home"), ["home"]);
  assert.deepEqual(await find("gr??e.txt"), [raw("srv/Öl/größe.txt")]);
});

test("without regard to case, in any script", async () => {
  const ignoreCase = true;
  assert.deepEqual(await find("NOTES.txt", { ignoreCase }), [
    "home/ann/a/b/notes.txt",
    "home/ann/notes.TXT",
    "home/bob/notes.txt",
  ]);
  assert.deepEqual(await find("/SRV/öL/GRÖSSE*", { ignoreCase }), []);
  assert.deepEqual(await find("/SRV/öL/GRÖ*", { ignoreCase }), [
    rawPathFromText("srv/Öl/größe.txt"),
  ]);
  assert.deepEqual(await find("*a.TXT", { ignoreCase }), ["srv/\xff\xfeA.txt"]);
});

test("types, times and sizes", async () => {
  assert.deepEqual(await find("*notes*", { types: [EntryType.folder] }), ["home/bob/notes.txt"]);
  assert.deepEqual(await find("*", { types: [EntryType.symlink] }), ["srv/link"]);
  assert.deepEqual(await find("*", { olderNs: 2000n }), ["home/bob/notes.txt/deep"]);
  assert.deepEqual(await find("*", { olderNs: 2001n, newerNs: 1000n }), ["srv/link"]);
  assert.deepEqual(await find("*", { sizeMin: 201, sizeMax: 301 }), [
    "home/ann/a/b/notes.txt",
    "home/bob/notes.txt/deep",
  ]);
});

test("patterns without sense are refused", () => {
  for (const pattern of ["", "/", "a/../b", "[[:nope:]]"]) {
    assert.throws(
      () => new Finder({ pattern: rawPathFromText(pattern) }),
      (error) => hasCode(error, "usage"),
      pattern,
    );
  }
});

test("snapshots after the first cost what is new in them", async () => {
  const nodes = new MemoryNodes();
  const all = [...grid(40, 250)];
  const first = nodes.build(all).root;
  const second = nodes.build(all.toSpliced(5000, 1)).root;
  const patterns = { f0000007: 40, "f*5": 1000, nothing: 0, "/d0000003/*": 250, "*": 10_040 };
  for (const [pattern, count] of Object.entries(patterns)) {
    const finder = new Finder({ pattern: rawPathFromText(pattern) });
    assert.equal((await found(finder, nodes.reader(first))).length, count, pattern);
    nodes.reads = [];
    const again = await found(finder, nodes.reader(second));
    const expected = await found(
      new Finder({ pattern: rawPathFromText(pattern) }),
      nodes.reader(second),
    );
    assert.deepEqual(again, expected);
    nodes.reads = [];
    await found(finder, nodes.reader(first));
    assert.ok(nodes.reads.length <= 12, `${pattern}: ${nodes.reads.length} reads`);
  }
});

test("a path from the root reads only what may hold it", async () => {
  const nodes = new MemoryNodes();
  const catalog = nodes.reader(nodes.build(grid(100, 200)).root);
  const finder = new Finder({ pattern: rawPathFromText("/d0000050/f*9") });
  assert.equal((await found(finder, catalog)).length, 20);
  assert.ok(nodes.reads.length < 16, `${nodes.reads.length} reads`);
});

test("an unreadable part is told, and found again when another snapshot has it whole", async () => {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(grid(20, 200));
  const leaf = await nodes
    .reader(root)
    .leaves({ prefix: key("d0000004") })
    .next();
  const id = toHex(leaf.value.id);
  const bytes = nodes.nodes.get(id) as Uint8Array;
  nodes.nodes.delete(id);
  const finder = new Finder({ pattern: rawPathFromText("d0000004") });
  await assert.rejects(found(finder, nodes.reader(root)));
  const lost: NodeDamage[] = [];
  assert.deepEqual(await found(finder, nodes.reader(root), (damage) => lost.push(damage)), []);
  assert.equal(lost.length, 1);
  nodes.nodes.set(id, bytes);
  assert.deepEqual(await found(finder, nodes.reader(root)), ["d0000004"]);
});

test("more matches than are remembered are all given", async () => {
  const nodes = new MemoryNodes();
  const { root } = nodes.build(grid(3, 20_000));
  const finder = new Finder({ pattern: rawPathFromText("*") });
  for (let round = 0; round < 3; round++) {
    assert.equal((await found(finder, nodes.reader(root))).length, 60_003);
  }
});
