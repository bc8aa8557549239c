/**
 * What a dry run says is exactly what the real run then reports: over targets that hold the
 * snapshot and then were changed at random, for every --overwrite, with and without --delete.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { keyFromPath, type RawPath } from "../../src/base/raw-path.ts";
import { type RestoreOptions, restoreSnapshot } from "../../src/engine/restore.ts";
import type { Repository } from "../../src/repo/repository.ts";
import type { SnapshotRecord } from "../../src/repo/snapshot-list.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";
import { makeRepository, withFolder } from "../helpers/test-repository.ts";
import { file, folder, type Made, makeSnapshot, symlink } from "./restore-snapshots.ts";

const rounds = process.env["VARVE_TEST_LONG"] === "1" ? 400 : 40;
const policies = ["always", "if-changed", "if-newer", "never"] as const;

const made: Made[] = [
  file("/home/a/one", "one"),
  file("/home/a/two", "two two"),
  file("/home/a/empty"),
  folder("/home/a/none"),
  file("/home/a/deep/er/three", "three"),
  symlink("/home/a/link", "two"),
  { ...file("/home/b/first", "linked"), hardLink: 77 },
  { ...file("/home/b/second", "linked"), hardLink: 77 },
  file("/home/b/last", "last"),
];

const tops = ["/home/a", "/home/b"];

interface Told {
  readonly actions: string[];
  readonly problems: string[];
  readonly counts: object;
}

async function told(
  repo: Repository,
  record: SnapshotRecord,
  options: RestoreOptions,
): Promise<Told> {
  const actions: string[] = [];
  const problems: string[] = [];
  const result = await restoreSnapshot(repo, record, {
    ...options,
    onAction: ({ action, path }) => actions.push(`${action} ${path}`),
    onProblem: ({ path, code }) => problems.push(`${path} ${code}`),
  });
  const { firstProblems: _, ...counts } = result;
  return { actions: actions.sort(), problems: problems.sort(), counts };
}

/** Every name below the target, folders before what is in them. */
const namesOf = (target: string) =>
  fs.readdirSync(target, { recursive: true, encoding: "utf8" }).sort();

const changes: ((path: string, draw: Seeded) => void)[] = [
  (path) => fs.rmSync(path, { recursive: true }),
  (path) => {
    fs.rmSync(path, { recursive: true });
    fs.writeFileSync(path, "another");
  },
  (path) => {
    fs.rmSync(path, { recursive: true });
    fs.mkdirSync(path);
  },
  (path) => {
    fs.rmSync(path, { recursive: true });
    fs.mkdirSync(join(path, "in the way/deep"), { recursive: true });
    fs.writeFileSync(join(path, "in the way/file"), "");
  },
  (path) => {
    fs.rmSync(path, { recursive: true });
    fs.symlinkSync("/nowhere", path);
  },
  (path) => fs.lutimesSync(path, 2e9, 2e9),
  (path) => fs.lutimesSync(path, 1e8, 1e8),
  (path) => {
    if (!fs.lstatSync(path).isSymbolicLink()) fs.chmodSync(path, 0o750);
  },
  (path, draw) => {
    if (!fs.lstatSync(path).isDirectory()) return;
    fs.mkdirSync(join(path, "extra/deep"), { recursive: true });
    for (let n = draw.below(3); n > 0; n--) fs.writeFileSync(join(path, `extra/deep/${n}`), "");
    fs.symlinkSync("extra", join(path, "extra link"));
  },
];

function changeAtRandom(target: string, draw: Seeded): void {
  for (let count = draw.below(6); count > 0; count--) {
    const names = namesOf(target);
    const name = names[draw.below(names.length)];
    if (name === undefined) return;
    try {
      changes[draw.below(changes.length)]?.(join(target, name), draw);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

test(`${rounds} targets: a dry run says what the real run then does`, async () => {
  await withFolder(async (place) => {
    const repo = await makeRepository(place);
    const record = await makeSnapshot(repo, made, tops);
    await repo.loadIndex();
    for (let seed = 1; seed <= rounds; seed++) {
      const draw = new Seeded(seed);
      const target = join(place, `target ${seed}`) as RawPath;
      const strip = draw.below(3);
      const selected =
        strip === 2 || draw.chance(0.3) ? { paths: [keyFromPath("/home/a" as RawPath)] } : {};
      const options: RestoreOptions = {
        target,
        strip,
        ...selected,
        overwrite: policies[seed % 4] ?? "always",
        delete: draw.chance(0.6),
        threads: 1,
      };
      if (draw.chance(0.9)) {
        await restoreSnapshot(repo, record, { ...options, delete: false });
        changeAtRandom(target, draw);
      }
      const before = fs.existsSync(target) ? namesOf(target) : undefined;
      const dry = await told(repo, record, { ...options, dryRun: true });
      assert.deepEqual(fs.existsSync(target) ? namesOf(target) : undefined, before);
      const real = await told(repo, record, options);
      const text = `seed ${seed}: ${options.overwrite}, strip ${strip}, delete ${options.delete}`;
      assert.deepEqual(dry, real, text);
      requireTrue(real, target, before ?? [], text);
    }
    await repo.close();
  });
});

/** What was told is what is there now, by names in the target. */
function requireTrue(
  { actions, problems }: Told,
  target: string,
  before: readonly string[],
  text: string,
): void {
  const now = new Set(namesOf(target).map((name) => join(target, name)));
  const then = new Set(before.map((name) => join(target, name)));
  const saidOf = (action: string) =>
    actions.filter((line) => line.startsWith(`${action} `)).map((line) => line.split(/ (.*)/s)[1]);
  const created = new Set(saidOf("create"));
  const deleted = new Set(saidOf("delete"));
  const replaced = new Set(saidOf("replace"));
  if (problems.length > 0) return;
  for (const path of now) {
    if (!then.has(path)) assert.ok(created.has(path), `${text}: ${path} was created`);
  }
  for (const path of then) {
    const isGone = !now.has(path);
    if (isGone) assert.ok(deleted.has(path), `${text}: ${path} was deleted`);
    else assert.ok(!deleted.has(path) || replaced.has(path), `${text}: ${path} is still there`);
  }
}
