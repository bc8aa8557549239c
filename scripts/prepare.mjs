// What npm calls "prepare": builds dist in a clone after `npm ci`, and before `npm pack`.
// Builds nothing where that is impossible or pointless: a first `npx varve` prepares a link to a
// clone that is built already, and `npm ci --omit=dev` has no compiler.
import { existsSync } from "node:fs";
import { join } from "node:path";

const top = join(import.meta.dirname, "..");
const built = existsSync(join(top, "dist/src/cli/main.js"));
const compiler = existsSync(join(top, "node_modules/typescript"));

if (compiler && !(built && process.env.npm_command === "exec")) await import("./build.mjs");
else if (!built) {
  console.error("varve: dist is not built, and without the development packages it cannot be.");
  console.error("Run `npm ci` without --omit=dev, or install the tarball of `npm pack`.");
  process.exitCode = 1;
}
