// Makes the golden repositories of format version 1 in test/fixtures/format-v1, and with --damaged
// the published damage in test/fixtures/damaged-v1. Each ran once: what it made is published, and
// every later version of varve has to read it. So it refuses to overwrite.
// usage: node scripts/make-golden.mjs [--damaged] [--built DIR]   (default: dist; as root)
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const top = join(import.meta.dirname, "..");
const builtAt = process.argv.indexOf("--built");
const built = builtAt < 0 ? join(top, "dist") : resolve(process.argv[builtAt + 1] ?? "dist");
const damaged = process.argv.includes("--damaged");
const target = join(top, "test/fixtures", damaged ? "damaged-v1" : "format-v1");

if (existsSync(target)) {
  console.error(`${target} exists. A published fixture is never made again.`);
  process.exit(1);
}
if (damaged) {
  const { makeDamaged } = await import(join(built, "test/golden/make-damaged.js"));
  await makeDamaged();
} else {
  const { makeFixture } = await import(join(built, "test/golden/make-fixture.js"));
  await makeFixture(target);
}
