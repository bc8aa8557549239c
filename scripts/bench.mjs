// Builds varve and measures it against restic: see bench/README.md. Options go to bench/run.ts.
import "./build.mjs";

if (process.exitCode === undefined) await import("../dist/bench/run.js");
