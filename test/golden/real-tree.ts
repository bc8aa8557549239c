/** The small tree of real files that the golden repository's real snapshots were made of. */
import fs from "node:fs";
import { mknod, setTimes, setXattr } from "../helpers/file-calls.ts";
import { noise, prose } from "./golden-tree.ts";

/** At the top, so that no busy folder lies above it. */
export const realTree = "/varve-golden-tree";

const { S_IFIFO, S_IFCHR } = fs.constants;
const at = (name: string) => `${realTree}/${name}`;

export function makeRealTree(): void {
  fs.mkdirSync(realTree);
  fs.mkdirSync(at("folder"));
  fs.mkdirSync(at("folder/empty"));
  fs.writeFileSync(at("many chunks"), prose("many chunks", 800));
  fs.writeFileSync(at("one chunk"), noise("one chunk", 200));
  fs.linkSync(at("one chunk"), at("folder/second name"));
  fs.symlinkSync("one chunk", at("symlink"));
  const sparse = fs.openSync(at("sparse"), "w");
  fs.writeSync(sparse, prose("sparse", 4), 0, null, 1 << 20);
  fs.ftruncateSync(sparse, 3 << 20);
  fs.closeSync(sparse);
  mknod(at("fifo"), S_IFIFO | 0o600);
  mknod(at("null"), S_IFCHR | 0o666, 1, 3);
  fs.writeFileSync(at("n".repeat(255)), prose("255", 1));
  fs.writeFileSync(at("attribute"), prose("attribute", 1));
  setXattr(at("attribute"), "user.golden", Buffer.from("egg"));
  fs.chmodSync(at("attribute"), 0o2750);
  for (const name of fs.readdirSync(realTree)) setTimes(at(name), 1_600_000_000_123_456_789n);
}

/** What each run finds changed. */
export function changeRealTree(run: number): void {
  fs.writeFileSync(at("changing"), prose(`run ${run}`, 20));
  const text = prose("many chunks", 800);
  const line = Buffer.from(`a line of run ${run}\n`);
  fs.writeFileSync(at("many chunks"), Buffer.concat([text.subarray(0, 9000), line, text]));
}
