/**
 * Measures varve against restic: every work in turn by one and the other, each run on a new
 * repository. `--help` says how; bench/README.md says what it means and holds the last results.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programNames, readOptions } from "./options.ts";
import { findPrograms } from "./programs.ts";
import { conditions, machine, publish, table } from "./report.ts";
import { groups, Recorder, works } from "./works.ts";

const options = readOptions(
  process.argv.slice(2),
  works.map((work) => work.name),
);
const programs = await findPrograms(options);
mkdirSync(join(options.folder, "prepared"), { recursive: true });
const recorder = new Recorder(options);
for (const group of groups.filter(({ works: names }) => recorder.wants(...names))) {
  for (let run = 0; run < options.runs; run++) {
    for (const program of programs) group.run(recorder, program);
  }
}

recorder.removeSetAside();

const facts = machine(
  options,
  programs.map((program) => program.version),
);
console.log(`\n${table(recorder.samples)}\n\n${conditions(recorder.samples)}`);
const counts = programs.length === programNames.length && options.runs >= 3 && !options.quick;
if (counts) publish(options, facts, recorder.samples);
else {
  const path = join(options.folder, "partial.json");
  writeFileSync(path, JSON.stringify({ facts, samples: recorder.samples }));
  console.log(`\nThis does not count, so bench/README.md stays as it is. Samples: ${path}`);
}
