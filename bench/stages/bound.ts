/**
 * What the machine could do at best, from the costs of the stages; and how far the pipeline is from
 * it, and by what. Pure.
 */
import { type StageCosts, type StageName, stages } from "./stage-list.ts";

export interface Bound {
  /** CPU of all stages of a snapshot. */
  readonly cpuSeconds: number;
  /** The same, divided among the cores. */
  readonly dividedSeconds: number;
  /** The most expensive stage that one thread does alone. */
  readonly sequential: { readonly stage: StageName; readonly seconds: number };
  /** No first snapshot of the set can be faster on these cores, with these stages. */
  readonly seconds: number;
}

export function boundOf(costs: StageCosts, cores: number): Bound {
  const parts = stages.filter(({ isSnapshot }) => isSnapshot);
  const cpuSeconds = parts.reduce((sum, { name }) => sum + (costs[name] ?? 0), 0);
  const alone = parts
    // Packs are put two at a time, by libuv's threads.
    .filter(({ thread, name }) => thread !== "workers" && name !== "put")
    .map(({ name }) => ({ stage: name, seconds: costs[name] ?? 0 }));
  const sequential = alone.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  const dividedSeconds = cpuSeconds / cores;
  const seconds = Math.max(dividedSeconds, sequential.seconds);
  return { cpuSeconds, dividedSeconds, sequential, seconds };
}

/** What a run of the whole program took. */
export interface RealCost {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

export interface Pipeline {
  /** Of the bound's speed: 1 is as fast as it. */
  readonly share: number;
  /** CPU of the stages, of all CPU that the program took. */
  readonly work: number;
  /** CPU that the program took, of all that the cores had while it ran. */
  readonly busy: number;
}

/** Where the cores and not a sequential stage bound it, `share` is `work` times `busy`. */
export function pipelineOf(bound: Bound, real: RealCost, cores: number): Pipeline {
  return {
    share: bound.seconds / real.wallSeconds,
    work: bound.cpuSeconds / real.cpuSeconds,
    busy: real.cpuSeconds / (real.wallSeconds * cores),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/** Of each stage, the median over passes; what no pass had is absent. */
export function medianCosts(passes: readonly StageCosts[]): StageCosts {
  const costs: StageCosts = {};
  for (const { name } of stages) {
    const values = passes.flatMap((pass) => pass[name] ?? []);
    if (values.length > 0) costs[name] = median(values);
  }
  return costs;
}
