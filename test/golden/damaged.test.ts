/**
 * The published damage: always noticed, by the product with the codes and objects that were
 * published, and by the second reader; never a file outside the target of a restore.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import type { RawPath } from "../../src/base/raw-path.ts";
import { restoreSnapshot } from "../../src/engine/restore.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { examine } from "./examine.ts";
import { damagedFolder, goldenFolder, withGolden } from "./fixture.ts";
import { type DamagedFixture, damage } from "./mutations.ts";
import { GoldenReader } from "./reader.ts";
import { readKeyFile } from "./reader-bytes.ts";

const keyBytes = readKeyFile(join(goldenFolder, "key-file.txt"));

/** Whatever is in the catalog of the hostile snapshot, nothing comes out of it. */
async function restoreHostile(repo: Repository, work: string): Promise<void> {
  const { records } = await repo.listSnapshots();
  const record = records.find(({ snapshot }) => snapshot.series === "hostile");
  if (record === undefined) return;
  await repo.loadIndex();
  const target = join(work, "in", "target");
  mkdirSync(join(work, "in"));
  const result = await restoreSnapshot(repo, record, {
    target: target as RawPath,
    threads: 1,
  }).catch((error: unknown) => {
    if (error instanceof VarveError) return undefined;
    throw error;
  });
  assert.ok(result === undefined || result.problems > 0);
  assert.equal(result?.files ?? 0, 0);
  assert.deepEqual(existsSync(target) ? readdirSync(target) : [], []);
  assert.deepEqual(
    readdirSync(join(work, "in")).filter((each) => each !== "target"),
    [],
  );
}

const files = readdirSync(damagedFolder).filter((file) => file.endsWith(".json"));
assert.ok(files.length >= 30);

for (const file of files) {
  const fixture = JSON.parse(readFileSync(join(damagedFolder, file), "utf8")) as DamagedFixture;
  test(`${file.replace(".json", "")}: ${fixture.what}`, async () => {
    const { open, check, hurtSnapshots } = await examine(fixture, restoreHostile);
    assert.ok(open !== null || (check ?? []).length > 0, "it is noticed");
    const expected = [fixture.open, fixture.check, fixture.hurtSnapshots];
    assert.deepEqual([open, check, hurtSnapshots], expected);
    await withGolden(fixture.repository, async (repository) => {
      damage(repository, fixture.mutations);
      const reading = async () => (await GoldenReader.open(repository, keyBytes)).read();
      await assert.rejects(reading, "the second reader notices it");
    });
  });
}
