/**
 * What a repository takes after a month of daily dumps of one database, of which one row in a
 * hundred changes each day, all over its tables.
 * usage: node dist/bench/similar/thirty-days.js [--days N] [--scale S] [--varve PATH]
 * Work folder: VARVE_BENCH_DIR, or bench/work. The dumps are kept there and used again: 800 MB
 * times S each; the default, 0.26, makes dumps of 208 MB. Needs PostgreSQL, as the bench does.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { DataSet } from "../data-sets/data-set.ts";
import { makeDailyDumps } from "../data-sets/postgres.ts";
import { folderSize, measure, output } from "../measure.ts";
import { repositoryIn } from "../programs/program.ts";
import { writeSecrets } from "../programs/secrets.ts";
import { varve } from "../programs/varve.ts";

/** Of what the first dump takes. */
const partMax = 2.5;

function checkout(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

const top = checkout();
const { values } = parseArgs({
  options: {
    days: { type: "string", default: "30" },
    scale: { type: "string", default: "0.26" },
    varve: { type: "string", default: join(top, "dist/src/cli/main.js") },
  },
});
const [days, scale] = [Number(values.days), Number(values.scale)];
const folder = resolve(process.env["VARVE_BENCH_DIR"] ?? join(top, "bench/work"));
mkdirSync(join(folder, "data"), { recursive: true });

const name = `days-${days}-${scale}`;
const set = new DataSet(join(folder, "data", name), days + 1, (part) =>
  makeDailyDumps(part, days, scale),
);
const place = join(folder, name);
rmSync(place, { recursive: true, force: true });
mkdirSync(place);
const program = varve(resolve(values.varve), await writeSecrets(folder));
program.init(place);
const stored: number[] = [];
let before = folderSize(repositoryIn(place)).bytes;
for (let day = 0; day <= days; day++) {
  set.use(day + 1);
  const cost = measure(program.snapshot(place, set.path), top, join(place, "log"));
  const { bytes } = folderSize(repositoryIn(place));
  stored.push(bytes - before);
  before = bytes;
  const [first = 1] = stored;
  const part = ((100 * (stored.at(-1) ?? 0)) / first).toFixed(1);
  const total = (before / first).toFixed(2);
  console.log(
    `day ${day}: ${part} % of the first dump, ${total} in all, ${cost.cpuSeconds.toFixed(1)} s CPU`,
  );
}
output(program.check(place, { readData: true }));
const parts = before / (stored[0] ?? 1);
const verdict = parts <= partMax ? "reached" : "missed";
console.log(`${verdict}: ${parts.toFixed(2)} times the first dump, at most ${partMax}`);
rmSync(place, { recursive: true });
