/** A repository's life, from `init` to `prune`, wherever it is. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { E2eHome } from "./e2e-home.ts";

/** A home whose repository is at `url`, not made yet, and a source with some data. */
export function homeAt(url: string): E2eHome {
  const home = new E2eHome();
  home.env["VARVE_REPO"] = url;
  home.env["VARVE_PASSWORD_FILE"] = home.path("key");
  fs.mkdirSync(home.path("source"));
  fs.writeFileSync(home.path("source/small"), "small");
  fs.writeFileSync(home.path("source/large"), noise(3_000_000, 1));
  return home;
}

export const makeArgs = (home: E2eHome) => ["init", "--new-key-file", home.path("key")];

/** Bytes that do not compress. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes.writeInt32LE(state ^ (state >>> 15), at);
  }
  return bytes;
}

export async function lifeOf(home: E2eHome): Promise<void> {
  const source = home.path("source");
  const env = { VARVE_PASSWORD_FILE: undefined, VARVE_PASSWORD: "not yet" };
  await home.fails(["snapshots"], "repo-absent", 10, { env });
  await home.ok(makeArgs(home));
  await home.fails(["init", "--new-key-file", home.path("other")], "repo-exists", 1);
  await home.ok(["snapshot", source]);
  fs.writeFileSync(home.path("source/large"), noise(3_000_000, 2));
  await home.ok(["snapshot", source]);
  const rows = await home.rows(["snapshots"]);
  assert.equal(rows.length, 2);
  const target = home.path("target");
  await home.ok(["restore", "--target", target]);
  assert.deepEqual(fs.readFileSync(`${target}${source}/large`), noise(3_000_000, 2));
  assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  await home.ok(["forget", String(rows[0]?.["id"] ?? "latest~1")]);
  assert.equal((await home.rows(["snapshots"])).length, 1);
  const before = await home.row(["stats"]);
  await home.ok(["prune"]);
  assert.notDeepEqual(await home.row(["stats"]), before, "prune gave space back");
  // Nothing of this home is known to a host that has only the key.
  home.env["VARVE_CACHE_DIR"] = home.path("other-cache");
  assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  await home.ok(["restore", "--target", home.path("again")]);
}
