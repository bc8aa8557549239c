/**
 * A copy of the program that every user can read, for tests that run it as nobody: a checkout may
 * lie where only its owner can look.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import { checkout } from "../tidy/source-text.ts";
import { nobody, program } from "./e2e-home.ts";

/** The folder that holds the compiled `src` and `test`. */
const built = dirname(dirname(dirname(program)));
let found: string | undefined;

/** The program itself where nobody may read it, else a copy that ends with this process. */
export function readableProgram(): string {
  return readableByNobody(program);
}

/** The same for any compiled file, with all that it imports but packages for development. */
export function readableByNobody(path: string): string {
  found ??= canRun(program) ? built : copyBuilt();
  return join(found, path.slice(built.length + sep.length));
}

function canRun(path: string): boolean {
  const args = [path, "version"];
  return spawnSync(process.execPath, args, { uid: nobody, gid: nobody, cwd: "/" }).status === 0;
}

/** What was built, and the packages that it needs to run; returns the folder like `built`. */
function copyBuilt(): string {
  const folder = fs.mkdtempSync(join(tmpdir(), "varve-readable-"));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  const top = checkout();
  const lock = fs.readFileSync(join(top, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock) as { packages: Record<string, { dev?: boolean }> };
  const needed = Object.entries(packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true && fs.existsSync(join(top, path)))
    // A package inside another comes with it.
    .filter(([path]) => path.lastIndexOf("node_modules") === 0);
  for (const [path] of needed) {
    fs.cpSync(join(top, path), join(folder, path), { recursive: true });
  }
  for (const part of ["src", "test"]) {
    fs.cpSync(join(built, part), join(folder, "dist", part), { recursive: true });
  }
  fs.copyFileSync(join(top, "package.json"), join(folder, "package.json"));
  spawnSync("chmod", ["-R", "a+rX", folder]);
  const copy = join(folder, "dist");
  if (!canRun(join(copy, program.slice(built.length + sep.length)))) {
    throw new Error(`Nobody can run the copy in ${copy}.`);
  }
  return copy;
}
