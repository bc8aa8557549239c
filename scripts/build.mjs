// Builds varve: TypeScript to JavaScript, the chunker's kernel to WebAssembly.
// usage: node scripts/build.mjs [--out DIR]     (default: dist, emptied first)
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";

const top = join(import.meta.dirname, "..");
const outAt = process.argv.indexOf("--out");
const out = outAt < 0 ? join(top, "dist") : resolve(process.argv[outAt + 1] ?? "dist");
const require = createRequire(import.meta.url);

/** A script of a package; its faults fail the build, but the next step still runs and reports. */
function run(packageName, script, args) {
  const folder = dirname(require.resolve(`${packageName}/package.json`));
  const result = spawnSync(process.execPath, [join(folder, script), ...args], {
    cwd: top,
    stdio: "inherit",
  });
  if (result.status !== 0) process.exitCode = 1;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "src/chunker"), { recursive: true });
const kernel = join(top, "src/chunker/kernel/gear.ts");
if (existsSync(kernel)) {
  run("assemblyscript", "bin/asc.js", [
    kernel,
    "--outFile",
    join(out, "src/chunker/gear.wasm"),
    "--runtime",
    "stub",
    "-O3",
    "--noAssert",
    "--importMemory",
    "--enable",
    "threads",
    "--sharedMemory",
    // The importer says how much there is (src/chunker/kernel-memory.ts): 1 page to 1 GiB.
    "--initialMemory",
    "1",
    "--maximumMemory",
    "16384",
    "--use",
    "abort=",
  ]);
}
run("typescript", "bin/tsc", ["--outDir", out]);
const program = join(out, "src/cli/main.js");
if (existsSync(program)) chmodSync(program, 0o755);
