/** Several `varve init` of one path at the same moment: one makes it, and its key opens it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, it } from "node:test";
import { E2eHome, isLong, type Json, keyOf, told } from "../helpers/e2e-home.ts";

const rounds = isLong ? 100 : 8;
const home = new E2eHome();
after(() => home.remove());

for (const place of ["a new folder", "an empty one"]) {
  it(`${rounds} rounds of three in ${place}`, async () => {
    for (let round = 0; round < rounds; round++) {
      const repository = home.path(`${place} ${round}`);
      if (place === "an empty one") fs.mkdirSync(repository);
      await raceOf(repository);
      fs.rmSync(repository, { recursive: true });
    }
  });
}

async function raceOf(repository: string): Promise<void> {
  const keys = [0, 1, 2].map((n) => `${repository}.key-${n}`);
  const runs = await Promise.all(
    keys.map((key) => home.run(["--json", "--repo", repository, "init", "--new-key-file", key])),
  );
  const texts = runs.map((run) => told(["init"], run)).join("\n");
  const [winner, ...more] = keys.filter((_, n) => runs[n]?.code === 0);
  assert.ok(winner !== undefined && more.length === 0, `one of them made it:\n${texts}`);
  for (const { code, err } of runs) {
    if (code === 0) continue;
    assert.equal(code, 1, texts);
    assert.equal((JSON.parse(err) as { error: Json }).error["code"], "repo-exists", texts);
  }
  assert.deepEqual(keys.filter(fs.existsSync), [winner], "the others' keys open nothing");
  home.secrets.splice(0, home.secrets.length, keyOf(winner));
  const open = ["--repo", repository, "--password-file", winner];
  assert.equal((await home.rows([...open, "key", "list"])).length, 1, texts);
  assert.equal((await home.row([...open, "check"]))["clean"], true, texts);
  const left = fs.readdirSync(repository, { recursive: true, encoding: "utf8" });
  assert.equal(left.filter((name) => name.includes(".tmp-")).length, 0);
}
