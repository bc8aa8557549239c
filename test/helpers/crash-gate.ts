/**
 * Lets the operations of several processes on one store happen in an order drawn from a seed. Each
 * process has a door; whoever wants to do something on the store waits at it until the gate lets
 * one of all who wait through. A process may fall asleep for many steps. (Worker threads run as
 * they like, so a seed fixes the choices, not quite their circumstances; what is tested must hold
 * whatever they are.)
 */
import { type FaultPlan, FaultStore } from "../../src/repo/store/fault-store.ts";
import { Seeded } from "../../src/repo/store/seeded.ts";
import type { ObjectInfo, Store, StoreCallOptions } from "../../src/repo/store/store.ts";

interface Waiting {
  readonly process: string;
  readonly go: () => void;
}

export interface GateOptions {
  readonly seed: number;
  /** Of a step sending the process it would have chosen to sleep. */
  readonly sleep?: number;
  /** Steps that a sleep lasts at most. */
  readonly sleepSteps?: number;
  /** Called at every step. */
  readonly onStep?: (step: number) => void;
}

export class Gate {
  readonly #seeded: Seeded;
  readonly #options: GateOptions;
  readonly #waiting: Waiting[] = [];
  readonly #asleep = new Map<string, number>();
  #isOpen = false;
  #isRunning = true;
  steps = 0;
  sleeps = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#seeded = new Seeded(options.seed);
  }

  /** Resolves when the process may take its next step. */
  pass(process: string): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    return new Promise((go) => this.#waiting.push({ process, go }));
  }

  /** Puts a process to sleep for so many steps of the others. */
  sleep(process: string, steps: number): void {
    this.#asleep.set(process, this.steps + steps);
    this.sleeps++;
  }

  /** Lets processes through, one operation at a time, until `work` is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    const finish = () => {
      this.#isRunning = false;
    };
    work.then(finish, finish);
    while (this.#isRunning) {
      // Time for whoever went through last to come to the next door.
      await new Promise((resolve) => setImmediate(resolve));
      this.#step();
    }
    this.#open();
    return work;
  }

  #open(): void {
    this.#isOpen = true;
    for (const { go } of this.#waiting.splice(0)) go();
  }

  #step(): void {
    const awake = this.#waiting.filter(({ process }) => !this.#sleeps(process));
    // When all who wait are asleep, the others may be at work without the store.
    const chosen = awake[this.#seeded.below(awake.length)];
    if (chosen === undefined) {
      if (this.#waiting.length > 0) this.steps++;
      return;
    }
    this.steps++;
    this.#options.onStep?.(this.steps);
    if (this.#seeded.chance(this.#options.sleep ?? 0)) {
      this.sleep(chosen.process, 1 + this.#seeded.below(this.#options.sleepSteps ?? 300));
      return;
    }
    this.#waiting.splice(this.#waiting.indexOf(chosen), 1);
    chosen.go();
  }

  #sleeps(process: string): boolean {
    return (this.#asleep.get(process) ?? 0) > this.steps;
  }
}

/** A store as one process sees it: every operation, and every name of a list, is a step. */
export class GatedStore extends FaultStore {
  readonly #gate: Gate;
  readonly #process: string;

  constructor(inner: Store, gate: Gate, process: string, plan: FaultPlan = {}) {
    super(inner, { ...plan, beforeOperation: () => gate.pass(process) });
    this.#gate = gate;
    this.#process = process;
  }

  override async *list(folder: string, options?: StoreCallOptions): AsyncGenerator<ObjectInfo> {
    for await (const object of super.list(folder, options)) {
      yield object;
      await this.#gate.pass(this.#process);
    }
  }
}
