/**
 * Damages a repository in each of many ways, and examines it each time; in threads: they use all
 * cores, and are rid of `node:test`, whose hooks follow every promise that is made.
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { examine, type Holding, isNoticed } from "./damage-trial.ts";
import { withFolder } from "./test-repository.ts";

/** What is done to an object; for each it must be noticed, and told of `name`. */
export type Damage =
  | { readonly kind: "none"; readonly name: string }
  /** One bit of the byte at `at`. */
  | { readonly kind: "flip"; readonly name: string; readonly at: number }
  /** To so many bytes. */
  | { readonly kind: "cut"; readonly name: string; readonly length: number }
  /** By a byte of zero. */
  | { readonly kind: "longer"; readonly name: string }
  | { readonly kind: "swap"; readonly name: string; readonly other: string };

export interface Sound {
  readonly store: MemoryStore;
  readonly holding: Holding;
}

/** Of a thread: it makes its own copy of the repository. */
interface Work {
  readonly holding: Holding;
  readonly objects: readonly (readonly [name: string, bytes: Uint8Array])[];
  readonly damages: readonly Damage[];
}

/** Sent every so many trials, and at the end. */
interface Progress {
  readonly trials: number;
  readonly failures: readonly string[];
  readonly isDone: boolean;
}

const trialsBetween = 500;

/** So many tell enough; what follows them is not tried. */
const failuresMax = 20;

/** Tries all of them; the failures as text, none when each was noticed and gave no wrong data. */
export async function tryAll(
  { store, holding }: Sound,
  damages: readonly Damage[],
  onTrials: (done: number) => void = () => undefined,
): Promise<string[]> {
  const objects = await Promise.all(
    store.names().map(async (name) => [name, await store.get(name)] as const),
  );
  const threads = Math.min(availableParallelism(), damages.length);
  const trials = new Array<number>(threads).fill(0);
  const sum = () => trials.reduce((total, each) => total + each, 0);
  const failures = await Promise.all(
    trials.map((_, thread) => {
      const dealt = damages.filter((_, i) => i % threads === thread);
      return runThread({ objects, holding, damages: dealt }, (done) => {
        trials[thread] = done;
        onTrials(sum());
      });
    }),
  );
  const told = failures.flat();
  if (told.length === 0) assert.equal(sum(), damages.length, "each was tried");
  return told;
}

function runThread(work: Work, onTrials: (done: number) => void): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: work });
    let last: Progress | undefined;
    worker.on("message", (progress: Progress) => {
      last = progress;
      onTrials(progress.trials);
    });
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (last?.isDone === true) resolve(last.failures);
      else reject(new Error(`a thread of trials ended with code ${code}`));
    });
  });
}

async function workThrough({ objects, holding, damages }: Work): Promise<void> {
  const sound: Sound = { store: new MemoryStore(), holding };
  for (const [name, bytes] of objects) await sound.store.put(name, bytes);
  const failures: string[] = [];
  let trials = 0;
  const send = (isDone: boolean) => parentPort?.postMessage({ trials, failures, isDone });
  await withFolder(async (folder) => {
    for (const damage of damages) {
      if (failures.length >= failuresMax) return;
      const failure = await trial(folder, sound, damage);
      if (failure !== undefined) failures.push(failure);
      if (++trials % trialsBetween === 0) send(false);
    }
  });
  send(true);
}

async function trial(folder: string, sound: Sound, damage: Damage): Promise<string | undefined> {
  const store = sound.store.fork();
  await inflict(store, damage);
  try {
    const outcome = await examine(folder, store, sound.holding);
    if (isNoticed(outcome, damage.name)) return undefined;
    return `${JSON.stringify(damage)} is not noticed`;
  } catch (error) {
    return `${JSON.stringify(damage)}: ${error instanceof Error ? error.stack : String(error)}`;
  }
}

async function inflict(store: MemoryStore, damage: Damage): Promise<void> {
  const { kind, name } = damage;
  const bytes = Buffer.from(await store.get(name));
  if (kind === "flip") {
    const { at } = damage;
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
    await store.put(name, bytes);
  } else if (kind === "cut") await store.put(name, bytes.subarray(0, damage.length));
  else if (kind === "longer") await store.put(name, Buffer.concat([bytes, Buffer.alloc(1)]));
  else if (kind === "swap") {
    await store.put(name, await store.get(damage.other));
    await store.put(damage.other, bytes);
  }
}

if (!isMainThread) await workThrough(workerData as Work);
