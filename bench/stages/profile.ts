/**
 * What each thread of a program did, from the profiles that `node --cpu-prof` leaves of them: how
 * long it was busy, and in which functions. Pure but for `readProfiles`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** The part of a .cpuprofile that is looked at; times are in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface FunctionShare {
  /** With its file's name. */
  readonly name: string;
  readonly seconds: number;
}

export interface ThreadProfile {
  readonly thread: string;
  readonly seconds: number;
  readonly busySeconds: number;
  readonly collectorSeconds: number;
  /** The most expensive first, by their own time. */
  readonly functions: readonly FunctionShare[];
}

const functionsShown = 8;
/** V8's names for what is no function. */
const idle = "(idle)";
const collector = "(garbage collector)";

function nameOf({ functionName, url }: { functionName: string; url: string }): string {
  const file = basename(url);
  const name = functionName === "" ? "(anonymous)" : functionName;
  return file === "" ? name : `${name} ${file}`;
}

/** Own time of each function by name, in seconds. */
function ownTimes({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const name = names.get(id) ?? "(unknown)";
    // The time until the next sample is spent where this one was taken.
    const micros = Math.max(0, timeDeltas[at + 1] ?? 0);
    times.set(name, (times.get(name) ?? 0) + micros / 1e6);
  }
  return times;
}

/** What a thread is, by its number, and by a module that only workers load. */
function threadName(profile: CpuProfile, thread: number): string {
  if (thread === 0) return "main";
  const files = new Set(profile.nodes.map(({ callFrame }) => basename(callFrame.url)));
  return files.has("snapshot-worker.js") ? "worker" : "walk";
}

/** `thread`: Node's number of it; 0 is the main thread. */
export function threadProfile(profile: CpuProfile, thread: number): ThreadProfile {
  const times = ownTimes(profile);
  const seconds = [...times.values()].reduce((sum, each) => sum + each, 0);
  const functions = [...times]
    .filter(([name]) => name !== idle && name !== collector)
    .sort(([, a], [, b]) => b - a)
    .slice(0, functionsShown)
    .map(([name, own]) => ({ name, seconds: own }));
  return {
    thread: threadName(profile, thread),
    seconds,
    busySeconds: seconds - (times.get(idle) ?? 0),
    collectorSeconds: times.get(collector) ?? 0,
    functions,
  };
}

/** The profiles in a folder: main, then the walk, then the workers. */
export function readProfiles(folder: string): ThreadProfile[] {
  const order = ["main", "walk", "worker"];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".cpuprofile"))
    .map((name) => {
      // CPU.date.time.process.thread.number.cpuprofile
      const thread = Number(name.split(".").at(-3));
      return threadProfile(JSON.parse(readFileSync(join(folder, name), "utf8")), thread);
    })
    .sort((a, b) => order.indexOf(a.thread) - order.indexOf(b.thread));
}
