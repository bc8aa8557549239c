/**
 * A store that fails on purpose, around any other. It is not a test helper because simulations and
 * drills use it as well; no normal run does.
 *
 * Everything follows from the seed and the order of calls. Mutations (put, delete) are counted from
 * 1 in the order in which `beforeOperation` let them go. At the crash, and for every call under way
 * or made later, the answer is `SimulatedCrash`: a put is done whole or not at all, as stores
 * promise; what a disk does beneath that is for the simulated disk of the tests.
 * `idle()` tells when calls that were under way no longer touch the inner store.
 */
import { VarveError } from "../../base/errors.ts";
import { Seeded } from "./seeded.ts";
import type { ObjectInfo, Store, StoreCallOptions, StoreGetOptions } from "./store.ts";

export type OperationKind = "put" | "get" | "getRange" | "size" | "list" | "delete";

/** No VarveError: nothing may take it for a failure that can be handled. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

export interface CrashPlan {
  /** The number of the mutation at which it happens, from 1. */
  readonly at: number;
  /** Whether that mutation still takes effect; "either" leaves it to the seed. */
  readonly effect: "none" | "whole" | "either";
}

/** Probabilities are 0 where they are left out. */
export interface FaultPlan {
  readonly seed?: number;
  readonly crash?: CrashPlan;
  /** Of any operation being `store-unreachable` without effect. */
  readonly failure?: number;
  /** Of a put or delete being `store-unreachable` though it took effect. */
  readonly lostReply?: number;
  /** Of a get or getRange giving wrong bytes: one bit flipped, cut short, or a lost tail. */
  readonly damage?: number;
  /** Awaited before each operation: a place to yield, to delay, and (by throwing) to fail it. */
  readonly beforeOperation?: (kind: OperationKind, name: string) => Promise<void> | void;
}

const noCounts = { put: 0, get: 0, getRange: 0, size: 0, list: 0, delete: 0 };

export class FaultStore implements Store {
  readonly url: string;
  readonly isNear: boolean;
  readonly namesIn?: NonNullable<Store["namesIn"]>;
  readonly listNames?: NonNullable<Store["listNames"]>;
  readonly #inner: Store;
  #plan: FaultPlan;
  #seeded: Seeded;
  #crashed = false;
  #counts: Record<OperationKind, number> = { ...noCounts };
  #mutations = 0;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(inner: Store, plan: FaultPlan = {}) {
    this.#inner = inner;
    this.url = inner.url;
    this.isNear = inner.isNear === true;
    const namesIn = inner.namesIn?.bind(inner);
    if (namesIn !== undefined) {
      this.namesIn = (folder, options) =>
        this.#read("list", folder, () => namesIn(folder, options));
    }
    const listNames = inner.listNames?.bind(inner);
    if (listNames !== undefined) {
      this.listNames = (folder, options) =>
        this.#read("list", folder, () => listNames(folder, options));
    }
    this.#plan = plan;
    this.#seeded = new Seeded(plan.seed ?? 0);
  }

  /** Operations since the start or the last `reset`, also those that failed. */
  get counts(): Readonly<Record<OperationKind, number>> {
    return { ...this.#counts };
  }

  /** Puts and deletes that came as far as being done or failed. */
  get mutations(): number {
    return this.#mutations;
  }

  get crashed(): boolean {
    return this.#crashed;
  }

  /** Starts anew with this plan: counts at 0, the seed at its start, no crash. */
  reset(plan: FaultPlan = {}): void {
    this.#plan = plan;
    this.#seeded = new Seeded(plan.seed ?? 0);
    this.#crashed = false;
    this.#counts = { ...noCounts };
    this.#mutations = 0;
  }

  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  put(name: string, data: Uint8Array, options?: StoreCallOptions): Promise<void> {
    return this.#mutate("put", name, () => this.#inner.put(name, data, options));
  }

  delete(name: string, options?: StoreCallOptions): Promise<void> {
    return this.#mutate("delete", name, () => this.#inner.delete(name, options));
  }

  async get(name: string, options?: StoreGetOptions): Promise<Uint8Array> {
    return this.#damaged(await this.#read("get", name, () => this.#inner.get(name, options)));
  }

  async getRange(
    name: string,
    offset: number,
    length: number,
    options?: StoreGetOptions,
  ): Promise<Uint8Array> {
    const call = () => this.#inner.getRange(name, offset, length, options);
    return this.#damaged(await this.#read("getRange", name, call));
  }

  size(name: string, options?: StoreCallOptions): Promise<number> {
    return this.#read("size", name, () => this.#inner.size(name, options));
  }

  async *list(folder: string, options?: StoreCallOptions): AsyncGenerator<ObjectInfo> {
    await this.#enter("list", folder);
    for await (const object of this.#inner.list(folder, options)) {
      this.#throwIfCrashed();
      yield object;
    }
    this.#throwIfCrashed();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Gives the crash that is to happen now, if one is. */
  async #enter(kind: OperationKind, name: string): Promise<CrashPlan | undefined> {
    this.#throwIfCrashed();
    this.#counts[kind]++;
    await this.#plan.beforeOperation?.(kind, name);
    this.#throwIfCrashed();
    if (kind === "put" || kind === "delete") {
      this.#mutations++;
      if (this.#mutations === this.#plan.crash?.at) {
        this.#crashed = true;
        return this.#plan.crash;
      }
    }
    if (this.#seeded.chance(this.#plan.failure ?? 0)) throw this.#unreachable(kind, name);
    return undefined;
  }

  async #read<T>(kind: OperationKind, name: string, call: () => Promise<T>): Promise<T> {
    await this.#enter(kind, name);
    const result = await call();
    this.#throwIfCrashed();
    return result;
  }

  async #mutate(kind: "put" | "delete", name: string, call: () => Promise<void>): Promise<void> {
    const crash = await this.#enter(kind, name);
    if (crash !== undefined) await this.#crash(crash, call);
    await this.#tracked(call);
    this.#throwIfCrashed();
    if (this.#seeded.chance(this.#plan.lostReply ?? 0)) throw this.#unreachable(kind, name);
  }

  async #crash({ effect }: CrashPlan, call: () => Promise<void>): Promise<never> {
    const takesEffect = effect === "whole" || (effect === "either" && this.#seeded.chance(0.5));
    if (takesEffect) await this.#tracked(call);
    throw new SimulatedCrash("the simulated process died here");
  }

  async #tracked(call: () => Promise<void>): Promise<void> {
    const running = call();
    this.#underWay.add(running);
    try {
      await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  #damaged(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0 || !this.#seeded.chance(this.#plan.damage ?? 0)) return bytes;
    const at = this.#seeded.below(bytes.length);
    const kind = this.#seeded.below(3);
    if (kind === 0) return bytes.slice(0, at);
    if (kind === 1) return bytes.fill(~(bytes[at] ?? 0), at);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#seeded.below(8));
    return bytes;
  }

  #throwIfCrashed(): void {
    if (this.#crashed) throw new SimulatedCrash("the simulated process is dead");
  }

  #unreachable(kind: OperationKind, name: string): VarveError {
    return new VarveError("store-unreachable", `Simulated failure of ${kind} ${name}.`, {
      hint: "Try again.",
      context: { name, store: this.url },
    });
  }
}
