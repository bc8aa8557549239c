/** The comparison that other tests trust: silent on a true copy, it sees each kind of change. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before } from "node:test";
import { mknod, setTimes, setXattr } from "./file-calls.ts";
import { compareTrees, makeRichTree, type RichTree, removeTree } from "./file-fixtures.ts";
import { needsRoot, rootTest } from "./needs-root.ts";

let top = "";
let tree: RichTree;

before(async () => {
  if (needsRoot !== false) return;
  top = fs.mkdtempSync(path.join(os.tmpdir(), "varve-fixtures-"));
  fs.mkdirSync(`${top}/a`);
  fs.mkdirSync(`${top}/b`);
  tree = await makeRichTree(`${top}/a`);
  await makeRichTree(`${top}/b`);
});

after(() => {
  if (top !== "") removeTree(top);
});

rootTest("the tree has what it promises", () => {
  assert.ok(tree.deepFile.length > 4096);
  for (const name of tree.sparse) {
    const stat = fs.statSync(`${top}/a/${name}`);
    assert.ok(stat.blocks * 512 < stat.size, name);
  }
  for (const group of tree.hardLinks) {
    const inodes = group.map((name) => fs.lstatSync(`${top}/a/${name}`).ino);
    assert.equal(new Set(inodes).size, 1, group[0]);
  }
  for (const name of tree.sockets) assert.ok(fs.lstatSync(`${top}/a/${name}`).isSocket());
});

rootTest("a tree equals itself, and the same tree made again", () => {
  assert.deepEqual(compareTrees(`${top}/a`, `${top}/a`), []);
  assert.deepEqual(compareTrees(`${top}/a`, `${top}/b`), []);
});

const keepTimes = (file: string, change: () => void) => {
  const { mtimeNs } = fs.lstatSync(file, { bigint: true });
  change();
  setTimes(file, mtimeNs);
};

const changes: [string, string, (file: string) => void][] = [
  ["/files/noise", "content", (f) => keepTimes(f, () => write(f, 2_999_999))],
  ["/files/one-byte", "size", (f) => keepTimes(f, () => fs.appendFileSync(f, "y"))],
  ["/files/time-2040", "mtime", (f) => setTimes(f, 2_208_988_800_987_654_320n)],
  ["/modes/setuid", "mode", (f) => fs.chmodSync(f, 0o755)],
  ["/modes/owned", "uid", (f) => fs.lchownSync(f, 1, 5678)],
  ["/attributes/acl", "xattrs", (f) => setXattr(f, "user.more", Buffer.from("x"))],
  ["/links/two/third", "same file as", (f) => keepTimes(f, () => separate(f))],
  ["/links/to-file", "link target", (f) => replace(f, () => fs.symlinkSync("else", f))],
  ["/nodes/null", "device number", (f) => replace(f, () => mknod(f, 0o020666, 1, 5))],
  ["/sparse/only-hole", "data extents", (f) => keepTimes(f, () => write(f, 4096, 0))],
  ["/empty-folder", "presence", (f) => fs.rmdirSync(f)],
];

function write(file: string, at: number, byte = 1) {
  const fd = fs.openSync(file, "r+");
  fs.writeSync(fd, Buffer.of(byte), 0, 1, at);
  fs.closeSync(fd);
}

function separate(file: string) {
  const content = fs.readFileSync(file);
  fs.unlinkSync(file);
  fs.writeFileSync(file, content);
}

function replace(file: string, make: () => void) {
  fs.unlinkSync(file);
  make();
}

for (const [name, what, change] of changes) {
  rootTest(`a change of ${what} is seen`, () => {
    change(`${top}/b${name}`);
    const found = compareTrees(`${top}/a`, `${top}/b`);
    assert.ok(
      found.some((line) => line.startsWith(`"${name}": ${what}: `)),
      found.join("\n"),
    );
  });
}
