// Packs varve and tries the tarball as somebody would who has no TypeScript compiler.
// usage: node scripts/try-pack.mjs [--install] [--out DIR]
//   --out DIR   what was built with `build.mjs --out DIR`; default: dist
//   --install   `npm install` the tarball elsewhere, as users do: needs npm's registry, and minutes
//               where the native packages are compiled. Without it, the packages of this checkout
//               that are needed at run time stand in for what npm would bring.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

const top = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const outAt = args.indexOf("--out");
const built = resolve(outAt < 0 ? join(top, "dist") : (args[outAt + 1] ?? ""));
const folder = fs.mkdtempSync(join(tmpdir(), "varve-pack-"));
const env = { PATH: process.env.PATH, HOME: join(folder, "home") };

function run(command, commandArgs, options = {}) {
  const result = spawnSync(command, commandArgs, {
    cwd: folder,
    env,
    encoding: "utf8",
    ...options,
  });
  assert.equal(
    result.status,
    0,
    `${command} ${commandArgs.join(" ")}\n${result.stdout}${result.stderr}`,
  );
  return result.stdout;
}

/** A folder with what `npm pack` looks at, so that it packs this build and makes none. */
function pack() {
  const stage = join(folder, "stage");
  fs.mkdirSync(stage);
  for (const name of ["package.json", "README.md", "CHANGELOG.md", "LICENSE", "docs"]) {
    fs.cpSync(join(top, name), join(stage, name), { recursive: true });
  }
  fs.cpSync(built, join(stage, "dist"), { recursive: true });
  // Files of a checkout that must not come along.
  for (const name of ["test", "bench", "scripts"]) {
    fs.cpSync(join(top, name), join(stage, name), { recursive: true });
  }
  run("npm", ["pack", "--ignore-scripts", "--silent"], { cwd: stage });
  const tarball = fs.readdirSync(stage).find((name) => name.endsWith(".tgz"));
  return join(stage, tarball ?? "no tarball");
}

/** Mode and name of each file in the tarball. */
function contents(tarball) {
  return run("tar", ["-tvzf", tarball])
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [mode, , , , , name] = line.split(/\s+/);
      return { mode, name: name.replace(/^package\//, "") };
    });
}

function checkContents(files) {
  const names = files.map(({ name }) => name);
  const needed = [
    "package.json",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "docs/format.md",
    "docs/man/varve.1",
    "dist/src/cli/main.js",
    "dist/src/chunker/gear.wasm",
    "dist/src/engine/workers/snapshot-worker.js",
  ];
  for (const name of needed) assert.ok(names.includes(name), `${name} is not in the tarball`);
  const foreign = names.filter(
    (name) => !/^(dist\/src\/.+\.(js|wasm)|docs\/.+|package\.json|[A-Z]+(\.md)?)$/.test(name),
  );
  assert.deepEqual(foreign, [], "what should not be in the tarball");
  const main = files.find(({ name }) => name === "dist/src/cli/main.js");
  assert.match(main.mode, /^-rwx..x..x/, "the program is executable");
  const manifest = JSON.parse(fs.readFileSync(join(top, "package.json"), "utf8"));
  assert.equal(manifest.bin.varve, "dist/src/cli/main.js");
  return names.length;
}

/** The packages that package-lock.json does not call dev, as links; no compiler among them. */
function standIn(place) {
  run("tar", ["-xzf", join(folder, "varve.tgz"), "-C", place]);
  const { packages } = JSON.parse(fs.readFileSync(join(top, "package-lock.json"), "utf8"));
  for (const [path, { dev }] of Object.entries(packages)) {
    if (path === "" || dev === true || path.lastIndexOf("node_modules") !== 0) continue;
    if (!fs.existsSync(join(top, path))) continue;
    fs.mkdirSync(dirname(join(place, "package", path)), { recursive: true });
    fs.symlinkSync(join(top, path), join(place, "package", path));
  }
  return join(place, "package/dist/src/cli/main.js");
}

function install(place) {
  const options = ["--global", "--prefix", place, "--prefer-offline", "--no-audit", "--no-fund"];
  run("npm", ["install", ...options, join(folder, "varve.tgz")], {
    // npm's own cache and settings are those of whoever runs this.
    env: process.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.ok(!fs.existsSync(join(place, "lib/node_modules/varve/node_modules/typescript")));
  return join(place, "bin/varve");
}

/** A first minute with the program. */
function tryProgram(program) {
  const source = join(folder, "source");
  const target = join(folder, "target");
  fs.mkdirSync(env.HOME, { recursive: true });
  fs.mkdirSync(source);
  fs.writeFileSync(join(source, "file"), "content");
  fs.writeFileSync(join(source, "large"), Buffer.alloc(3_000_000, "varve"));
  const version = run(program, ["--version"]).trim();
  assert.match(run(program, ["snapshot", source]), /^Snapshot [0-9a-f]{8}: 2 files/);
  run(program, ["check", "--read-data"]);
  run(program, ["restore", "--target", target]);
  assert.equal(fs.readFileSync(join(target + source, "file"), "utf8"), "content");
  return version;
}

try {
  const tarball = pack();
  fs.renameSync(tarball, join(folder, "varve.tgz"));
  const count = checkContents(contents(join(folder, "varve.tgz")));
  const { size } = fs.statSync(join(folder, "varve.tgz"));
  const place = join(folder, "place");
  fs.mkdirSync(place);
  const program = args.includes("--install") ? install(place) : standIn(place);
  const version = tryProgram(program);
  console.log(`varve ${version}: ${count} files, ${size} bytes packed; it snapshots and restores.`);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
