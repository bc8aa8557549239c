/** Numbers and times as people read them. Times are shown in the zone given, to the second. */
import type { TimeZone } from "../base/time-zone.ts";

const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** "0 B", "1023 B", "1.5 KiB", "120 GiB": three digits that say something. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < byteUnits.length - 1) {
    // Below 1024 bytes are shown as they are.
    if (unit === 0 && Math.abs(value) < 1024) break;
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${byteUnits[unit]}`;
}

/** "12,345". */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 file", "12,345 files". */
export function countOf(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

/** "0.4 s", "59 s", "1:05", "27:46:39". */
export function formatDuration(ms: number): string {
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** "2026-11-20 14:30:00" on the wall clock of `zone`. */
export function formatTime(timeNs: bigint, zone: TimeZone): string {
  const time = zone.wallTime(timeNs);
  const two = (value: number) => String(value).padStart(2, "0");
  const year = String(time.year).padStart(4, "0");
  const date = `${year}-${two(time.month)}-${two(time.day)}`;
  return `${date} ${two(time.hour)}:${two(time.minute)}:${two(time.second)}`;
}

/** "2026-11-20T13:30:00.123456789Z": exact, for JSON. */
export function isoTime(timeNs: bigint): string {
  const seconds = timeNs / 1_000_000_000n;
  const rest = timeNs % 1_000_000_000n;
  const floor = rest < 0n ? seconds - 1n : seconds;
  const fraction = String(timeNs - floor * 1_000_000_000n).padStart(9, "0");
  return `${new Date(Number(floor) * 1000).toISOString().slice(0, -5)}.${fraction}Z`;
}

/** "drwxr-xr-t", as `ls -l` shows it; `type` is its first letter. */
export function formatMode(type: string, mode: number): string {
  const triple = (bits: number, special: boolean, letter: string) => {
    const x = (bits & 1) !== 0;
    const last = special ? (x ? letter : letter.toUpperCase()) : x ? "x" : "-";
    return `${(bits & 4) !== 0 ? "r" : "-"}${(bits & 2) !== 0 ? "w" : "-"}${last}`;
  };
  const owner = triple((mode >> 6) & 7, (mode & 0o4000) !== 0, "s");
  const group = triple((mode >> 3) & 7, (mode & 0o2000) !== 0, "s");
  return type + owner + group + triple(mode & 7, (mode & 0o1000) !== 0, "t");
}
