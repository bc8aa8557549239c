/**
 * Run by catalog-memory.test.ts in a process of its own: builds a catalog of many entries, builds
 * it again over the first as its parent with one file in a thousand changed, reads it in order,
 * and prints what that took. Nodes go to a temporary file, so that memory is the catalog's own.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Entry } from "../../../src/base/entry.ts";
import { toHex } from "../../../src/base/ids.ts";
import { CatalogBuilder } from "../../../src/repo/catalog/catalog-builder.ts";
import { CatalogReader } from "../../../src/repo/catalog/catalog-reader.ts";
import { cutSeed, grid } from "./catalog-support.ts";

class FileNodes {
  readonly #places = new Map<string, { offset: number; length: number }>();
  readonly #fd: number;
  #end = 0;

  constructor(path: string) {
    this.#fd = openSync(path, "w+");
  }

  putNode(plaintext: Uint8Array): Uint8Array {
    const id = createHash("sha256").update(plaintext).digest();
    const name = toHex(id);
    if (!this.#places.has(name)) {
      writeSync(this.#fd, plaintext, 0, plaintext.length, this.#end);
      this.#places.set(name, { offset: this.#end, length: plaintext.length });
      this.#end += plaintext.length;
    }
    return id;
  }

  async readNode(id: Uint8Array): Promise<Uint8Array> {
    const place = this.#places.get(toHex(id));
    if (place === undefined) throw new Error("no such node");
    const bytes = new Uint8Array(place.length);
    readSync(this.#fd, bytes, 0, place.length, place.offset);
    return bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** One file in a thousand has another time in the second snapshot. */
function* changed(entries: Iterable<Entry>): Generator<Entry> {
  let count = 0;
  for (const entry of entries) yield ++count % 1000 === 0 ? { ...entry, mtimeNs: 7n } : entry;
}

async function run(nodes: FileNodes, folders: number, files: number) {
  const start = performance.now();
  const first = new CatalogBuilder({ cutSeed, sink: nodes });
  for (const entry of grid(folders, files)) first.add(entry);
  const parent = first.finish();
  const built = performance.now();
  const second = new CatalogBuilder({ cutSeed, sink: nodes });
  const cursor = new CatalogReader(nodes, parent.root).parentCursor();
  for (const entry of changed(grid(folders, files))) {
    if (!cursor.isLoadedFor(entry.key)) await cursor.load(entry.key);
    const ref = cursor.match(entry.key);
    if (ref !== undefined && ref.entry.mtimeNs === entry.mtimeNs) second.addUnchanged(ref);
    else second.add(entry);
  }
  const child = second.finish();
  const merged = performance.now();
  let read = 0;
  for await (const leaf of new CatalogReader(nodes, child.root).leaves()) {
    read += leaf.entries.length;
  }
  return {
    entries: child.totals.entries,
    read,
    leaves: child.leaves,
    leavesReused: child.leavesReused,
    buildMs: Math.round(built - start),
    mergeMs: Math.round(merged - built),
    readMs: Math.round(performance.now() - merged),
    peakMib: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

const folder = mkdtempSync(join(tmpdir(), "varve-catalog-"));
const nodes = new FileNodes(join(folder, "nodes"));
try {
  const [, , folders = "1", files = "1000"] = process.argv;
  console.log(JSON.stringify(await run(nodes, Number(folders), Number(files))));
} finally {
  nodes.close();
  rmSync(folder, { recursive: true });
}
