// Builds varve and measures it beside restic and Borg: see bench/README.md. Options go to
// bench/run.ts.
import "./build.mjs";

if (process.exitCode === undefined) await import("../dist/bench/run.js");
