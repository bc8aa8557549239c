/**
 * Sizes and shares as users write them. A letter alone, or with `iB`, is a power of 1024 (2G,
 * 2GiB); with `B` a power of 1000 (2GB). Everything that cannot be understood is `usage`.
 */
import { VarveError } from "../base/errors.ts";

const sizePattern = /^(\d+(?:\.\d+)?)\s*(?:([kmgtp])(i?b)?|b)?$/i;
const letters = "kmgtp";

/** Bytes: "512", "2G", "1.5 MiB", "10kB". */
export function parseSize(text: string): number {
  const match = sizePattern.exec(text.trim());
  const bytes = match === null ? Number.NaN : Number(match[1]) * unitBytes(match[2], match[3]);
  if (match === null || !Number.isSafeInteger(Math.round(bytes))) {
    throw new VarveError("usage", `"${text}" is not a size.`, {
      hint: "Write a number with K, M, G, T for powers of 1024, or KB, MB, GB for powers of 1000.",
    });
  }
  return Math.round(bytes);
}

function unitBytes(letter: string | undefined, suffix: string | undefined): number {
  if (letter === undefined) return 1;
  const base = suffix?.toLowerCase() === "b" ? 1000 : 1024;
  return base ** (letters.indexOf(letter.toLowerCase()) + 1);
}

export type Share =
  | { readonly kind: "percent"; readonly percent: number }
  | { readonly kind: "bytes"; readonly bytes: number }
  /** Part `part` (from 1) of `parts` parts. */
  | { readonly kind: "part"; readonly part: number; readonly parts: number }
  | { readonly kind: "unlimited" };

const percentPattern = /^(\d+(?:\.\d+)?)\s*%$/;
const partPattern = /^(\d{1,6})\s*\/\s*(\d{1,6})$/;

/** "5%" or a size. */
export function parsePercentOrSize(text: string): Exclude<Share, { kind: "part" | "unlimited" }> {
  const match = percentPattern.exec(text.trim());
  if (match === null) return { kind: "bytes", bytes: parseSize(text) };
  const percent = Number(match[1]);
  if (percent > 100) throw new VarveError("usage", `"${text}" is more than 100%.`);
  return { kind: "percent", percent };
}

/** "5%", "2G" or "1/7". */
export function parseSubset(text: string): Exclude<Share, { kind: "unlimited" }> {
  const match = partPattern.exec(text.trim());
  if (match === null) return parsePercentOrSize(text);
  const [part, parts] = [Number(match[1]), Number(match[2])];
  if (part < 1 || part > parts) {
    throw new VarveError("usage", `"${text}" is not a part of a whole.`, {
      hint: "Parts count from 1: 1/7, 2/7, up to 7/7.",
    });
  }
  return { kind: "part", part, parts };
}

/** "5%", a size, or "unlimited". */
export function parseUnused(text: string): Exclude<Share, { kind: "part" }> {
  return text.trim() === "unlimited" ? { kind: "unlimited" } : parsePercentOrSize(text);
}

/** A whole number from `min` to `max`. */
export function parseCount(text: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = /^\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} up` : `from ${min} to ${max}`;
    throw new VarveError("usage", `"${text}" is not a whole number ${range}.`);
  }
  return value;
}

/** The count of a keep rule: a whole number, or "unlimited". */
export function parseKeepCount(text: string): number {
  return text.trim() === "unlimited" ? Number.POSITIVE_INFINITY : parseCount(text, 0);
}
