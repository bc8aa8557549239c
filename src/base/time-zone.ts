/**
 * Wall clocks of IANA time zones: nanoseconds since 1970 to calendar fields and back. The rules
 * come from the ICU data of Node (`Intl`). For 1600 to 9999, which is more than nanoseconds in 64
 * bits hold.
 */
import { VarveError } from "./errors.ts";

export interface CalendarDay {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

export interface WallTime extends CalendarDay {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 to 999,999,999. */
  readonly nanosecond: number;
}

export interface ZonedTime extends WallTime {
  /** Seconds that this zone's clock is ahead of UTC at this moment. */
  readonly offsetSeconds: number;
}

export const nsPerSecond = 1_000_000_000n;
const dayMs = 86_400_000;
const digits = /\d+/g;

/** `Date.UTC` without its special meaning of the years 0 to 99. */
function utcMs(wall: WallTime): number {
  const date = new Date(0);
  date.setUTCFullYear(wall.year, wall.month - 1, wall.day);
  date.setUTCHours(wall.hour, wall.minute, wall.second, 0);
  return date.getTime();
}

/** Days since 1970-01-01. */
export function dayNumber(day: CalendarDay): number {
  return utcMs({ ...day, hour: 0, minute: 0, second: 0, nanosecond: 0 }) / dayMs;
}

export function dayFromNumber(count: number): CalendarDay {
  const date = new Date(count * dayMs);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

export function daysInMonth(year: number, month: number): number {
  const next = month === 12 ? { year: year + 1, month: 1 } : { year, month: month + 1 };
  return dayNumber({ ...next, day: 1 }) - dayNumber({ year, month, day: 1 });
}

export class TimeZone {
  readonly #shown: (ms: number) => WallTime;
  #name: string | undefined;

  /**
   * Throws `usage` for a name that is no IANA time zone. Without a name it is the zone of this
   * process, whose clock is had without `Intl`, which takes 10 ms to begin.
   */
  constructor(name?: string) {
    this.#name = name;
    if (name === undefined) {
      this.#shown = shownHere;
      return;
    }
    try {
      const format = new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
        timeZone: name,
        hourCycle: "h23",
        year: "numeric",
        month: "2-digit",
        day: "2-digit",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
      });
      this.#shown = (ms) => shownBy(format, ms);
    } catch (cause) {
      throw new VarveError("usage", `"${name}" is not a time zone.`, {
        hint: "Give an IANA name like Europe/Berlin or UTC.",
        cause,
      });
    }
  }

  get name(): string {
    this.#name ??= new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    return this.#name;
  }

  /** What calendar and clock show at this moment. */
  wallTime(timeNs: bigint): ZonedTime {
    const nanosecond = Number(((timeNs % nsPerSecond) + nsPerSecond) % nsPerSecond);
    const secondsMs = Number((timeNs - BigInt(nanosecond)) / 1_000_000n);
    const shown = this.#shown(secondsMs);
    const offsetSeconds = (utcMs(shown) - secondsMs) / 1000;
    return { ...shown, nanosecond, offsetSeconds };
  }

  /**
   * The moment at which the clock shows `wall`. A time that a clock change skips means the same
   * distance after the change (02:30 becomes 03:30); one that comes twice means the first.
   */
  moment(wall: WallTime): bigint {
    const asUtc = utcMs(wall);
    const before = this.#offsetMs(asUtc - dayMs);
    const after = this.#offsetMs(asUtc + dayMs);
    const first = asUtc - Math.max(before, after);
    const last = asUtc - Math.min(before, after);
    const fits = [first, last].find((ms) => ms + this.#offsetMs(ms) === asUtc);
    // Skipped: counted with the offset from before the change.
    const ms = fits ?? asUtc - before;
    return BigInt(ms) * 1_000_000n + BigInt(wall.nanosecond);
  }

  #offsetMs(ms: number): number {
    return utcMs(this.#shown(ms)) - ms;
  }
}

function shownBy(format: Intl.DateTimeFormat, ms: number): WallTime {
  // "11/20/2026, 14:30:00" in this locale, whatever separates the fields.
  const [month, day, year, hour, minute, second] = (format.format(ms).match(digits) ?? []).map(
    Number,
  );
  const wall = { year, month, day, hour, minute, second, nanosecond: 0 };
  return wall as WallTime;
}

function shownHere(ms: number): WallTime {
  const date = new Date(ms);
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
    nanosecond: 0,
  };
}
