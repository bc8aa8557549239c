/** What `varve snapshot` says of what it took, passed over and could not read. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type CliHome, withCliHome } from "./cli-runner.ts";

async function withSocket(path: string, run: () => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await run();
  } finally {
    server.close();
  }
}

const jsonOf = async (home: CliHome, ...argv: string[]) =>
  JSON.parse((await home.run(["snapshot", "--json", ...argv])).out) as Record<string, unknown>;

test("a socket is named without being asked, and in quiet mode is not", () =>
  withCliHome(async (home) => {
    const source = join(home.folder, "source");
    mkdirSync(source);
    await withSocket(join(source, "s"), async () => {
      const { code, err, out } = await home.run(["snapshot", source]);
      assert.equal(code, 0);
      assert.match(err, /source\/s: a socket has no content and is not stored\n/);
      assert.match(out, /; 1 passed over\.\n/);
      assert.equal((await home.run(["--quiet", "snapshot", source])).err, "");
    });
  }));

test("of very many notes the first ten are named, all with --verbose", () =>
  withCliHome(async (home) => {
    const links = Array.from({ length: 12 }, (_, at) => join(home.folder, `link${at}`));
    for (const link of links) symlinkSync("nowhere", link);
    const brief = await home.run(["snapshot", ...links]);
    assert.equal(brief.err.match(/a symbolic link; name it/g)?.length, 10);
    assert.match(brief.out, /; 12 passed over \(--verbose names all\)\.\n/);
    const long = await home.run(["--verbose", "snapshot", ...links]);
    assert.equal(long.err.match(/a symbolic link; name it/g)?.length, 12);
    assert.match(long.out, /; 12 passed over\.\n/);
  }));

test("a dry run says so, also when nothing changed", () =>
  withCliHome(async (home) => {
    const source = join(home.folder, "source");
    mkdirSync(source);
    writeFileSync(join(source, "a"), "first");
    await jsonOf(home, source);
    const dry = await jsonOf(home, "--dry-run", source);
    assert.deepEqual([dry["dry_run"], dry["unchanged"], dry["snapshot_id"]], [true, true, null]);
    assert.match((await home.run(["snapshot", "-n", source])).out, /^No snapshot made \(dry run\)/);
    const skipped = await jsonOf(home, "--skip-if-unchanged", source);
    assert.deepEqual([skipped["dry_run"], skipped["snapshot_id"]], [false, null]);
  }));

test("an empty path or name is refused: it is a variable that was never set", () =>
  withCliHome(async (home) => {
    const source = join(home.folder, "source");
    mkdirSync(source);
    assert.equal((await home.run(["snapshot", source])).code, 0);
    for (const argv of [
      ["snapshot", ""],
      ["snapshot", "--host", "", source],
      ["snapshot", "--series", " ", source],
      ["restore", "--target", ""],
      ["restore", "--target", join(home.folder, "target"), "latest", ""],
      ["ls", "latest", ""],
    ]) {
      const { code, err } = await home.run(argv);
      assert.equal(code, 2, argv.join(" "));
      assert.match(err, /empty/, argv.join(" "));
    }
  }));
