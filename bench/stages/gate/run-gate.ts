/**
 * Compares what the stages cost with what was last accepted, and fails where one costs more than a
 * tenth more. bench/README.md says what is compared, and why it is steady.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkout } from "../stage-options.ts";
import {
  isFailure,
  judge,
  middleRatios,
  type Ratios,
  type Verdict,
  verdictLine,
} from "./compare.ts";

const usage = `usage: npm run bench:gate -- [--accept]
Compares the costs of the stages with bench/stages/accepted.json; ends with 1 where one got slower
by more than 10 %. Takes a minute or two; other work on the machine may go on.
  --accept   write the figures of now instead: they are what is compared with from then on`;

/** Processes that are asked at first, and again where a stage seems to have got slower. */
const processesAtOnce = 5;
const tries = 3;
/** Figures that stay for long are made with more care. */
const processesAccepting = 9;
const rounds = 10;

interface Accepted {
  readonly machine: string;
  readonly node: string;
  readonly ratios: Ratios;
}

const acceptedPath = join(checkout(), "bench/stages/accepted.json");
const here = { machine: os.cpus()[0]?.model ?? "unknown", node: process.version };

async function ratiosOfOne(folder: string, only: readonly string[]): Promise<Ratios> {
  const module = new URL("./gate-process.js", import.meta.url);
  const args = [join(folder, "process"), String(rounds), ...only];
  const child = fork(module, args, { execArgv: ["--expose-gc"] });
  const found: Ratios[] = [];
  child.on("message", (message) => found.push(message as Ratios));
  const [code] = (await once(child, "exit")) as [number | null];
  const [ratios] = found;
  if (code !== 0 || ratios === undefined)
    throw new Error(`a process of the gate ended with ${code}`);
  return ratios;
}

async function measure(folder: string, count: number, only: readonly string[]): Promise<Ratios[]> {
  const all: Ratios[] = [];
  for (let left = count; left > 0; left--) all.push(await ratiosOfOne(folder, only));
  return all;
}

function readAccepted(): Accepted {
  if (existsSync(acceptedPath)) return JSON.parse(readFileSync(acceptedPath, "utf8")) as Accepted;
  throw new Error("Nothing was accepted yet: npm run bench:gate -- --accept");
}

async function accept(folder: string): Promise<void> {
  const measured = middleRatios(await measure(folder, processesAccepting, []));
  const ratios = Object.fromEntries(
    Object.entries(measured).map(([stage, ratio]) => [stage, Number(ratio.toFixed(4))]),
  );
  writeFileSync(acceptedPath, `${JSON.stringify({ ...here, ratios }, null, 2)}\n`);
  console.log(`Accepted: ${Object.keys(ratios).length} stages.`);
}

/** What seems slower is measured again, and all that was measured of it counts. */
async function compare(folder: string, accepted: Accepted): Promise<Verdict[]> {
  const all = await measure(folder, processesAtOnce, []);
  for (let again = 1; ; again++) {
    const verdicts = judge(accepted.ratios, middleRatios(all));
    const slower = verdicts.filter(({ outcome }) => outcome === "slower");
    if (slower.length === 0 || again === tries) return verdicts;
    const names = slower.map(({ stage }) => stage);
    console.log(`Measured again: ${names.join(", ")}.`);
    all.push(...(await measure(folder, processesAtOnce, names)));
  }
}

async function gate(folder: string): Promise<void> {
  const accepted = readAccepted();
  if (accepted.machine !== here.machine || accepted.node !== here.node) {
    console.log(
      `Accepted on ${accepted.machine}, Node ${accepted.node}; this is ${here.machine}, ` +
        `Node ${here.node}. Ratios move a little between machines: accept the code of before ` +
        "here first.",
    );
  }
  const verdicts = await compare(folder, accepted);
  for (const verdict of verdicts) console.log(verdictLine(verdict));
  const failures = verdicts.filter(isFailure);
  if (failures.length > 0) {
    console.error(
      `Failed: ${failures.map(({ stage, outcome }) => `${stage} (${outcome})`).join(", ")}.`,
    );
    process.exitCode = 1;
  } else console.log("No stage got slower by more than 10 %.");
}

const { values } = parseArgs({
  options: {
    accept: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) console.log(usage);
else {
  const folder = mkdtempSync(join(os.tmpdir(), "varve-gate-"));
  try {
    await (values.accept ? accept(folder) : gate(folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
