/**
 * Times as users write them, to the nanosecond.
 *
 *   2026-11-20            2026-11-20 14:30       2026-11-20T14:30:05.123456789+01:00
 *   today, yesterday      yesterday 18:00        18:00 (today)         now
 *   2h, 3d, 1w2d, 30min   2 days ago             @1763645400 (seconds since 1970)
 *
 * Without a zone, the user's own. A day is 24 hours only where no clock changes: 3d is the same
 * time of day three days before. A skipped time means the one after the gap, a repeated time its
 * first. `m` alone is refused: it could be minutes or months.
 */
import { VarveError } from "../base/errors.ts";
import {
  dayFromNumber,
  dayNumber,
  daysInMonth,
  nsPerSecond,
  type TimeZone,
  type WallTime,
} from "../base/time-zone.ts";
import { momentBefore } from "../engine/retention-period.ts";

export interface TimeParseOptions {
  readonly nowNs: bigint;
  readonly zone: TimeZone;
  /** What a day without a time of day means: its first moment, or its last nanosecond. */
  readonly dayMeans: "start" | "end";
}

const clockPattern = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?$/;
const dayPart = /(\d{4})-(\d{2})-(\d{2})/;
const clockPart = /(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)/;
const zonePart = /(Z|UTC|[+-]\d{2}(?::?\d{2})?)/;
const isoPattern = new RegExp(
  `^${dayPart.source}(?:(?:T|\\s+)${clockPart.source}\\s*${zonePart.source}?)?$`,
  "i",
);
const unixPattern = /^@(-?)(\d{1,11})(?:\.(\d{1,9}))?$/;
const relativePattern = /^(?:\d+\s*[a-z]+\s*)+?(?:\s+ago)?$/i;

/** Nanoseconds since 1970, UTC. Throws `usage` with what may be written. */
export function parseTime(text: string, options: TimeParseOptions): bigint {
  const trimmed = text.trim();
  const parsed =
    parseNamed(trimmed, options) ??
    parseIso(trimmed, options) ??
    parseUnix(trimmed) ??
    parseRelative(trimmed, options);
  if (parsed === undefined) throw notATime(text);
  return parsed;
}

function notATime(text: string, reason = ""): VarveError {
  return new VarveError("usage", `"${text}" is not a time${reason}.`, {
    hint: 'Write 2026-11-20, "2026-11-20 14:30", or an age like 2h; see `varve help time`.',
  });
}

/** Two moments out of one text: the day itself, and where a day's end is meant, that. */
function dayMoment(day: WallTime, options: TimeParseOptions): bigint {
  if (options.dayMeans === "start") return options.zone.moment(day);
  const next = dayFromNumber(dayNumber(day) + 1);
  return options.zone.moment({ ...day, ...next }) - 1n;
}

function parseClock(text: string): Omit<WallTime, "year" | "month" | "day"> | undefined {
  const match = clockPattern.exec(text);
  if (match === null) return undefined;
  const [hour, minute, second] = [match[1], match[2], match[3] ?? "0"].map(Number);
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  if (hour > 23 || minute > 59 || second > 59) throw notATime(text, " of a day");
  return { hour, minute, second, nanosecond: Number((match[4] ?? "").padEnd(9, "0")) };
}

function parseNamed(text: string, options: TimeParseOptions): bigint | undefined {
  const words = text.toLowerCase().split(/\s+/);
  if (words.length === 1 && words[0] === "now") return options.nowNs;
  const named = words[0] === "today" || words[0] === "yesterday";
  const clockText = named ? words[1] : words[0];
  if (words.length > (named ? 2 : 1)) return undefined;
  const today = dayNumber(options.zone.wallTime(options.nowNs));
  const day = dayFromNumber(words[0] === "yesterday" ? today - 1 : today);
  if (named && clockText === undefined) {
    return dayMoment({ ...day, hour: 0, minute: 0, second: 0, nanosecond: 0 }, options);
  }
  const clock = parseClock(clockText ?? "");
  return clock === undefined ? undefined : options.zone.moment({ ...day, ...clock });
}

function parseIso(text: string, options: TimeParseOptions): bigint | undefined {
  const match = isoPattern.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0] = match.slice(1, 4).map(Number);
  // What the manifest of a snapshot can hold.
  if (year < 1678 || year > 2261) throw notATime(text, ": years go from 1678 to 2261");
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    throw notATime(text, ": there is no such day");
  }
  const date = { year, month, day };
  if (match[4] === undefined) {
    return dayMoment({ ...date, hour: 0, minute: 0, second: 0, nanosecond: 0 }, options);
  }
  const clock = parseClock(match[4]);
  if (clock === undefined) return undefined;
  const wall = { ...date, ...clock };
  if (match[5] === undefined) return options.zone.moment(wall);
  const seconds = dayNumber(date) * 86_400 + clock.hour * 3600 + clock.minute * 60 + clock.second;
  return BigInt(seconds - offsetSeconds(match[5])) * nsPerSecond + BigInt(clock.nanosecond);
}

/** "Z", "UTC", "+01", "+0100", "+01:00". */
function offsetSeconds(text: string): number {
  const digits = text.replace(/\D/g, "").padEnd(4, "0");
  const [hours, minutes] = [Number(digits.slice(0, 2)), Number(digits.slice(2))];
  if (hours > 18 || minutes > 59) throw notATime(text, " zone");
  return (text.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60);
}

function parseUnix(text: string): bigint | undefined {
  const match = unixPattern.exec(text);
  if (match === null) return undefined;
  const ns = BigInt(match[2] ?? 0) * nsPerSecond + BigInt((match[3] ?? "").padEnd(9, "0"));
  return match[1] === "-" ? -ns : ns;
}

type Unit = "years" | "months" | "days" | "hours" | "minutes" | "seconds";

/** Each unit's spellings: [unit, how many of it]. */
const units: Readonly<Record<string, readonly [Unit, number]>> = {
  y: ["years", 1],
  year: ["years", 1],
  mo: ["months", 1],
  month: ["months", 1],
  w: ["days", 7],
  week: ["days", 7],
  d: ["days", 1],
  day: ["days", 1],
  h: ["hours", 1],
  hour: ["hours", 1],
  min: ["minutes", 1],
  minute: ["minutes", 1],
  s: ["seconds", 1],
  sec: ["seconds", 1],
  second: ["seconds", 1],
};

function parseRelative(text: string, options: TimeParseOptions): bigint | undefined {
  if (!relativePattern.test(text)) return undefined;
  const sum = { years: 0, months: 0, days: 0, hours: 0, minutes: 0, seconds: 0 };
  const parts = text.replace(/\s+ago$/i, "").matchAll(/(\d+)\s*([a-z]+)/gi);
  for (const [, count = "", name = ""] of parts) {
    const word = name.toLowerCase();
    if (word === "m") throw notATime(text, ": m could be minutes (min) or months (mo)");
    const unit = units[word] ?? (word.endsWith("s") ? units[word.slice(0, -1)] : undefined);
    if (unit === undefined || count.length > 9) return undefined;
    sum[unit[0]] += Number(count) * unit[1];
  }
  const before = momentBefore(options.nowNs, sum, options.zone);
  return before - BigInt(sum.minutes * 60 + sum.seconds) * nsPerSecond;
}
