/**
 * Measures varve beside its peers: every work in turn by one and the next, each run on a new
 * repository. `--help` says how; bench/README.md says what it means.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { groups, takesPart } from "./groups.ts";
import { readOptions } from "./options.ts";
import { findPrograms } from "./programs/find-programs.ts";
import type { Program } from "./programs/program.ts";
import { publish, republish } from "./publish.ts";
import { Recorder } from "./recorder.ts";
import { resultsDocument } from "./report.ts";
import { machineFacts, type Results } from "./results.ts";
import { works } from "./works.ts";

const options = readOptions(process.argv.slice(2), works);

function runAll(programs: readonly Program[]): Results {
  const recorder = new Recorder(options);
  recorder.removeSetAside(); // a run that was killed leaves it
  for (const group of groups.filter(({ works: names }) => recorder.wants(...names))) {
    const partakers = (run: number) => programs.filter((one) => takesPart(group, one, run));
    for (const program of partakers(0)) group.prepare(recorder, program);
    for (let run = 0; run < (options.prepare ? 0 : options.runs); run++) {
      for (const program of partakers(run)) {
        recorder.makeRoom();
        group.run(recorder, program);
      }
    }
  }
  recorder.removeSetAside();
  return { facts: machineFacts(options, programs), samples: recorder.samples };
}

/** Whether a run is good enough to stand in the documents. */
function counts(programs: readonly Program[]): boolean {
  const ours = programs.some((program) => program.name === "varve");
  const { runs, quick, cold } = options;
  return ours && programs.length > 1 && runs >= 3 && !quick && !cold;
}

if (options.report) republish(options.top);
else {
  const programs = await findPrograms(options);
  const results = runAll(programs);
  if (!options.prepare) {
    console.log(`\n${resultsDocument(results.samples)}`);
    if (counts(programs)) publish(options.top, results);
    else {
      const path = join(options.folder, "partial.json");
      writeFileSync(path, JSON.stringify(results));
      console.log(`\nThis does not count, so the documents stay as they are. Samples: ${path}`);
    }
  }
}
