/** Loads gear.wasm, which scripts/build.mjs compiles from kernel/gear.ts and puts beside this. */
import { readFileSync } from "node:fs";

/** The exports of kernel/gear.ts; positions are addresses in the kernel's memory. */
export interface GearKernel {
  setProfile(min: number, average: number, max: number, strict: number, loose: number): void;
  cut(
    start: number,
    scanned: number,
    end: number,
    final: number,
    lengths: number,
    capacity: number,
  ): number;
}

let compiled: WebAssembly.Module | undefined;

/** A new instance on `memory`. The module is compiled once a thread (1 KB: well below 1 ms). */
export function instantiateKernel(memory: WebAssembly.Memory): GearKernel {
  compiled ??= new WebAssembly.Module(readFileSync(new URL("gear.wasm", import.meta.url)));
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as GearKernel;
}
