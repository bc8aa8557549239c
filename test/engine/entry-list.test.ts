import assert from "node:assert/strict";
import { test } from "node:test";
import { type Entry, EntryType } from "../../src/base/entry.ts";
import { hasCode } from "../../src/base/errors.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { listEntries, listSnapshot } from "../../src/engine/entry-list.ts";
import { file, folder, inOrder, key, MemoryNodes } from "../repo/catalog/catalog-support.ts";

const link = { ...folder("etc/link"), type: EntryType.symlink, linkTarget: "x" as RawPath };
const tree = inOrder([
  file("etc/hosts"),
  file("etc/ssh/config"),
  file("etc/ssh/keys/a"),
  file("etc.d/x"),
  link,
  file("home/ann/notes"),
]);

function catalog() {
  const nodes = new MemoryNodes();
  return nodes.reader(nodes.build(tree).root);
}

async function shown(generator: AsyncGenerator<readonly Entry[]>): Promise<string[]> {
  const all: string[] = [];
  for await (const entries of generator) {
    all.push(...entries.map((entry) => entry.key.replaceAll("\0", "/")));
  }
  return all;
}

test("a folder gives what lies in it, with recursive all below, never itself", async () => {
  const etc = ["etc/hosts", "etc/link", "etc/ssh"];
  assert.deepEqual(await shown(listEntries(catalog(), key("etc"))), etc);
  assert.deepEqual(await shown(listEntries(catalog(), key(""))), ["etc", "etc.d", "home"]);
  assert.deepEqual(await shown(listEntries(catalog(), key("etc"), { recursive: true })), [
    ...etc,
    "etc/ssh/config",
    "etc/ssh/keys",
    "etc/ssh/keys/a",
  ]);
  const all = await shown(listEntries(catalog(), key(""), { recursive: true }));
  assert.equal(all.length, tree.length);
});

test("anything else gives itself", async () => {
  for (const recursive of [false, true]) {
    for (const path of ["etc/hosts", "etc/link"]) {
      assert.deepEqual(await shown(listEntries(catalog(), key(path), { recursive })), [path]);
    }
  }
});

test("an absent path is told with the nearest that there is", async () => {
  const cases = { "etc/ssh/nothing/here": "/etc/ssh;", "var/log": "/;", "etc/ho": "/etc;" };
  for (const [path, nearest] of Object.entries(cases)) {
    await assert.rejects(
      shown(listEntries(catalog(), key(path))),
      (error) => hasCode(error, "path-absent") && error.hint?.includes(nearest) === true,
      path,
    );
  }
});

test("a snapshot is listed from what was snapshotted", async () => {
  const list = (paths: string[], recursive = false) =>
    shown(listSnapshot(catalog(), paths as RawPath[], { recursive }));
  assert.deepEqual(await list(["/home/ann"]), ["home/ann/notes"]);
  assert.deepEqual(await list(["/home/ann/", "/etc/ssh"]), ["etc/ssh", "home/ann"]);
  assert.deepEqual(await list(["/etc/ssh", "/home/ann", "/etc/ssh/keys"], true), [
    "etc/ssh",
    "etc/ssh/config",
    "etc/ssh/keys",
    "etc/ssh/keys/a",
    "home/ann",
    "home/ann/notes",
  ]);
  assert.deepEqual(await list(["/"]), ["etc", "etc.d", "home"]);
  assert.deepEqual(await list([]), ["etc", "etc.d", "home"]);
  assert.deepEqual(await list(["/gone", "/home"]), ["home/ann"]);
  assert.deepEqual(await list(["/gone"]), ["etc", "etc.d", "home"]);
});

test("the source of a stream is a key at the top", async () => {
  const nodes = new MemoryNodes();
  const reader = nodes.reader(nodes.build([file("dump.sql")]).root);
  assert.deepEqual(await shown(listSnapshot(reader, ["dump.sql" as RawPath])), ["dump.sql"]);
});
