/**
 * Run as a program of its own, as somebody else than root: restores the newest snapshot of the test
 * repository in a folder, and prints what came of it.
 * usage: node restore-unprivileged.js FOLDER TARGET OVERWRITE
 */
import { rawPathFromText } from "../../src/base/raw-path.ts";
import { type OverwritePolicy, restoreSnapshot } from "../../src/engine/restore.ts";
import { reopenRepository } from "../helpers/test-repository.ts";

const [, , folder = "", target = "", overwrite = "always"] = process.argv;
const repo = await reopenRepository(folder);
await repo.loadIndex();
const record = (await repo.snapshots()).at(-1);
if (record === undefined) throw new Error("there is no snapshot");
const told: string[] = [];
const result = await restoreSnapshot(repo, record, {
  target: rawPathFromText(target),
  threads: 1,
  verify: true,
  overwrite: overwrite as OverwritePolicy,
  onProblem: ({ path, operation, code }) => told.push(`${operation} ${path} ${code}`),
});
await repo.close();
console.log(JSON.stringify({ ...result, told: told.sort() }));
