/** The walk's thread: see walk-protocol.ts. It walks, and sleeps while the ring is full. */
import { workerData } from "node:worker_threads";
import { TreeWalker } from "../../sources/tree-walker.ts";
import { type TaskPort, takeTasks } from "./task-port.ts";
import { type BatchTaker, walkInBatches } from "./walk-batches.ts";
import {
  ControlWord,
  type FromWalkWorker,
  type StartWalk,
  type ToWalkWorker,
  type WalkWorkerData,
  walkerOptions,
  walkSlotBytes,
  walkSlots,
} from "./walk-protocol.ts";

const data = workerData as WalkWorkerData;
const control = new Int32Array(data.control);
/** Names of owners are looked up where they are wanted (sources/linux/owner-calls.ts). */
const owners = { user: () => "", group: () => "" };

class Ring implements BatchTaker {
  readonly #walk: number;
  readonly #port: TaskPort<FromWalkWorker>;
  #given = 0;

  constructor(walk: number, port: TaskPort<FromWalkWorker>) {
    this.#walk = walk;
    this.#port = port;
  }

  #underWay(): number {
    return this.#given - Atomics.load(control, ControlWord.released);
  }

  isStopped(): boolean {
    return Atomics.load(control, ControlWord.stopped) >= this.#walk;
  }

  isHungry(): boolean {
    return this.#underWay() === 0;
  }

  slot(): number | undefined {
    for (;;) {
      // Read first: whatever changes after the checks has changed it before the sleep.
      const changes = Atomics.load(control, ControlWord.changes);
      if (this.isStopped()) return undefined;
      if (this.#underWay() < walkSlots) return (this.#given % walkSlots) * walkSlotBytes;
      Atomics.wait(control, ControlWord.changes, changes);
    }
  }

  give(length: number, own?: ArrayBuffer): void {
    const offset = own === undefined ? (this.#given % walkSlots) * walkSlotBytes : 0;
    const batch = { type: "batch", walk: this.#walk, offset, length } as const;
    this.#given++;
    if (own === undefined) this.#port.send(batch);
    else this.#port.send({ ...batch, own }, [own]);
  }
}

function walk({ walk: number, plan }: StartWalk, port: TaskPort<FromWalkWorker>): void {
  const walker = new TreeWalker({ ...walkerOptions(plan), owners });
  walkInBatches(walker, data.slots, new Ring(number, port));
  port.send({ type: "end", walk: number });
}

takeTasks<ToWalkWorker, FromWalkWorker>(walk);
