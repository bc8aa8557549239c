#!/usr/bin/env node
/** The program `varve`: connects a run with this process and its signals. */
import { processSystem } from "./context.ts";
import { reportCrash, runCli } from "./run-cli.ts";
import { watchSignals } from "./signals.ts";

// The AWS SDK would tell users of Node 20 what only concerns whoever raises its version.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
const watch = watchSignals((text) => {
  if (process.stderr.isTTY) process.stderr.write(text);
});
const system = processSystem(watch);
const argv = process.argv.slice(2);
process.on("uncaughtException", (error) => process.exit(reportCrash(error, argv, system)));
process.exitCode = await runCli(argv, system);
watch.end();
