/** docs/json.md against what the commands print, on a real repository. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { checkout } from "../tidy/source-text.ts";
import { CliHome } from "./cli-runner.ts";

type Json = Record<string, unknown>;

/** Fields of each section of the page, in order. */
function documented(): Map<string, string[]> {
  const text = readFileSync(join(checkout(), "docs/json.md"), "utf8");
  const sections = text.split(/^## /m).slice(1);
  return new Map(
    sections.map((section) => {
      const name = section.slice(0, section.indexOf("\n"));
      return [name, [...section.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, field = ""]) => field)];
    }),
  );
}

describe("docs/json.md", () => {
  const home = new CliHome();
  const fields = documented();
  const source = join(home.folder, "source");
  const tested = new Set<string>();

  before(() => {
    mkdirSync(join(source, "folder"), { recursive: true });
    writeFileSync(join(source, "file"), "one\n");
    writeFileSync(join(source, "folder/other"), "two\n");
  });
  after(() => home.remove());

  async function rows(argv: readonly string[], code = 0): Promise<Json[]> {
    const run = await home.run([...argv, "--json"]);
    assert.equal(run.code, code, run.err);
    return run.out
      .trimEnd()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Json);
  }

  function compare(section: string, row: Json | undefined): void {
    tested.add(section);
    assert.deepEqual(Object.keys(row ?? {}), fields.get(section), section);
  }

  it("names the fields of init", async () => {
    const place = ["--repo", join(home.folder, "other")];
    const [row] = await rows(["init", ...place, "--new-key-file", join(home.folder, "other.key")]);
    compare("init", row);
  });

  it("names the fields of snapshot and snapshots", async () => {
    const [made] = await rows(["snapshot", source, "--tag", "a,b"]);
    compare("snapshot", made);
    assert.match(String(made?.["created_key_file"]), /\.config\/varve\/key$/);
    const [again] = await rows(["snapshot", source]);
    assert.deepEqual(Object.keys(again ?? {}), Object.keys(made ?? {}));
    assert.equal(again?.["unchanged"], true);
    const listed = await rows(["snapshots"]);
    assert.deepEqual(
      listed.map((row) => row["id"]),
      [made?.["snapshot_id"], again?.["snapshot_id"]],
    );
    compare("snapshots", listed[0]);
    assert.deepEqual(listed[0]?.["tags"], ["a", "b"]);
    assert.deepEqual(listed[0]?.["paths"], [{ path: source }]);
  });

  it("names the fields of ls, find and diff", async () => {
    const listed = await rows(["ls", "--recursive", "latest"]);
    assert.deepEqual(
      listed.map((row) => row["path"]),
      ["file", "folder", "folder/other"].map((name) => join(source, name)),
    );
    compare("ls", listed[0]);
    // No name of a temporary folder above begins so.
    const found = await rows(["find", "oth*"]);
    assert.equal(found.length, 2);
    compare("find", found[0]);
    writeFileSync(join(source, "file"), "changed\n");
    await rows(["snapshot", source]);
    const changes = await rows(["diff", "latest~1", "latest"]);
    compare("diff", changes[0]);
    assert.equal(changes[0]?.["change"], "content");
    const { totals } = changes[1] as { totals: { changed: { bytes: number } } };
    assert.equal(totals.changed.bytes, 8);
    await rows(["forget", "latest"]);
  });

  it("names the fields of copy", async () => {
    const other = join(home.folder, "other");
    const [copied] = await rows(["copy", "--to", other, "--to-password-file", `${other}.key`]);
    compare("copy", copied);
    assert.equal(copied?.["copied_count"], 2);
  });

  it("names the fields of restore and check", async () => {
    const [restored] = await rows(["restore", "--target", join(home.folder, "target")]);
    compare("restore", restored);
    assert.equal(restored?.["files"], 2);
    const [checked] = await rows(["check", "--read-data"]);
    compare("check", checked);
    assert.equal(checked?.["clean"], true);
  });

  it("names the fields of prune and forget", async () => {
    const [planned] = await rows(["prune", "--keep-last", "1", "--dry-run"]);
    compare("prune", planned);
    assert.equal(planned?.["forgotten_count"], 1);
    const [forgotten] = await rows(["forget", "latest~1"]);
    compare("forget", forgotten);
    assert.deepEqual(forgotten?.["forgotten"], planned?.["forgotten"]);
  });

  it("names the fields of key, stats and repair", async () => {
    const keyFile = join(home.folder, "second.key");
    const [added] = await rows(["key", "add", "--new-key-file", keyFile, "--label", "second"]);
    compare("key add", added);
    const keys = await rows(["key", "list"]);
    compare("key list", keys[0]);
    assert.deepEqual(
      keys.map((key) => [key["label"], key["in_use"]]),
      [
        ["key file", true],
        ["second", false],
      ],
    );
    const id = String(keys[1]?.["id"]).slice(0, 8);
    const next = join(home.folder, "third.key");
    const [changed] = await rows(["key", "passwd", "-p", keyFile, "--new-key-file", next]);
    compare("key passwd", changed);
    assert.deepEqual(changed?.["removed_key_ids"], [keys[1]?.["id"]]);
    assert.equal((await home.run(["key", "remove", id])).code, 1);
    const [removed] = await rows(["key", "remove", String(changed?.["key_id"])]);
    compare("key remove", removed);
    compare("stats", (await rows(["stats"]))[0]);
    for (const what of ["index", "packs", "snapshots"]) {
      compare(`repair ${what}`, (await rows(["repair", what]))[0]);
    }
  });

  it("names the fields of sessions and version", async () => {
    assert.deepEqual(await rows(["sessions"]), []);
    tested.add("sessions");
    compare("version", (await rows(["version"]))[0]);
  });

  it("names the fields of help, man and completion", async () => {
    for (const [section = "", ...args] of [["help", "time"], ["man"], ["completion", "bash"]]) {
      compare(section, (await rows([section, ...args]))[0]);
    }
  });

  it("has no section that is not tested here", () => {
    assert.deepEqual([...fields.keys()].sort(), [...tested].sort());
  });
});
