/**
 * The peak memory of this very program: VmHWM. What getrusage says begins, after fork and exec,
 * with the memory of the parent. Loaded before another program (`node --import`), with
 * VARVE_PEAK_FILE set, it leaves the figure there at the end.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/** Bytes of the largest resident set so far. */
export function peakMemory(): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  if (line === null) throw new Error("Linux does not say VmHWM");
  return Number(line[1]) * 1024;
}

const file = process.env["VARVE_PEAK_FILE"];
if (file !== undefined && isMainThread) {
  process.on("exit", () => writeFileSync(file, `${peakMemory()}`));
}
