/**
 * A process that makes one pass (pass.ts) and sends its parent what it found.
 * usage: pass-process.js PATH PLACE THREADS
 */
import { rmSync } from "node:fs";
import { runPass } from "./pass.ts";

const [path = "", place = "", threads = "1"] = process.argv.slice(2);
try {
  const result = await runPass(path, place, Number(threads));
  process.send?.(result);
} finally {
  rmSync(place, { recursive: true, force: true });
}
