// Builds varve and measures it: beside restic and Borg, stage by stage, or against what the stages
// cost when that was last accepted. See bench/README.md.
// usage: node scripts/bench.mjs [stages|gate] [OPTION…]     (options go to the bench)
import "./build.mjs";

const benches = { stages: "stages/run-stages.js", gate: "stages/gate/run-gate.js" };
const bench = Object.hasOwn(benches, process.argv[2] ?? "") ? benches[process.argv[2]] : undefined;
if (bench !== undefined) process.argv.splice(2, 1);
if (process.exitCode === undefined) await import(`../dist/bench/${bench ?? "run.js"}`);
