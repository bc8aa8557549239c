/**
 * Damages a repository in each of many ways, and examines it each time; in threads: they use all
 * cores, and are rid of `node:test`, whose hooks follow every promise that is made.
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { examine, isNoticed } from "./damage-trial.ts";
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

/** Of a thread: it makes its own copy of the repository. */
interface Work {
  readonly objects: readonly (readonly [name: string, bytes: Uint8Array])[];
  readonly damages: readonly Damage[];
}

interface Done {
  readonly trials: number;
  readonly failures: readonly string[];
}

/** So many tell enough; what follows them is not tried. */
const failuresMax = 20;

/** Tries all of them; the failures as text, none when each was noticed and gave no wrong data. */
export async function tryAll(store: MemoryStore, damages: readonly Damage[]): Promise<string[]> {
  const objects = await Promise.all(
    store.names().map(async (name) => [name, await store.get(name)] as const),
  );
  const threads = Math.min(availableParallelism(), damages.length);
  const dealt = Array.from({ length: threads }, (_, thread) =>
    damages.filter((_, i) => i % threads === thread),
  );
  const done = await Promise.all(dealt.map((part) => runThread({ objects, damages: part })));
  const failures = done.flatMap((each) => each.failures);
  const trials = done.reduce((sum, each) => sum + each.trials, 0);
  if (failures.length === 0) assert.equal(trials, damages.length, "each was tried");
  return failures;
}

function runThread(work: Work): Promise<Done> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: work });
    let done: Done | undefined;
    worker.once("message", (message: Done) => {
      done = message;
    });
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (done === undefined) reject(new Error(`a thread of trials ended with code ${code}`));
      else resolve(done);
    });
  });
}

async function workThrough({ objects, damages }: Work): Promise<Done> {
  const sound = new MemoryStore();
  for (const [name, bytes] of objects) await sound.put(name, bytes);
  const failures: string[] = [];
  let trials = 0;
  await withFolder(async (folder) => {
    for (const damage of damages) {
      if (failures.length >= failuresMax) return;
      const failure = await trial(folder, sound, damage);
      if (failure !== undefined) failures.push(failure);
      trials++;
    }
  });
  return { trials, failures };
}

async function trial(
  folder: string,
  sound: MemoryStore,
  damage: Damage,
): Promise<string | undefined> {
  const store = sound.fork();
  await inflict(store, damage);
  try {
    const outcome = await examine(folder, store);
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

if (!isMainThread) parentPort?.postMessage(await workThrough(workerData as Work));
