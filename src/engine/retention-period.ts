/**
 * The calendar of retention: which hour, day, ISO week, month or year a moment belongs to in one
 * time zone, and moments a stretch of calendar time before another.
 */
import { VarveError } from "../base/errors.ts";
import {
  type CalendarDay,
  dayFromNumber,
  dayNumber,
  daysInMonth,
  type TimeZone,
  type ZonedTime,
} from "../base/time-zone.ts";

export type PeriodKind = "hourly" | "daily" | "weekly" | "monthly" | "yearly";

/** A stretch of calendar time, as in `2y5m7d3h`: months are months, days are calendar days. */
export interface CalendarDuration {
  readonly years: number;
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

/** What 64 bits of nanoseconds can say at the least lies in 1677. */
const earliestYear = 1678;
const earliestNs = -(2n ** 63n);

const durationPattern =
  /^(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,3})w)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?$/;

/** `2y5m7d3h`, in this order, each part optional; `m` is months and `w` weeks. Throws `usage`. */
export function parseCalendarDuration(text: string): CalendarDuration {
  const match = durationPattern.exec(text);
  if (match === null || text === "") {
    throw new VarveError("usage", `"${text}" is not a duration.`, {
      hint: "Write years, months, weeks, days and hours in this order, like 2y5m7d3h or 30d.",
    });
  }
  const part = (group: number) => Number(match[group] ?? 0);
  return { years: part(1), months: part(2), days: part(3) * 7 + part(4), hours: part(5) };
}

export function formatCalendarDuration(duration: CalendarDuration): string {
  const parts = [
    [duration.years, "y"],
    [duration.months, "m"],
    [duration.days, "d"],
    [duration.hours, "h"],
  ] as const;
  const text = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count}${unit}`);
  return text.join("") || "0h";
}

/**
 * The moment `duration` before `timeNs`: years and months first, the day held to the length of that
 * month (31 March less a month is 28 February), then days, all on the wall clock of `zone`; hours
 * last, of 3,600 seconds each.
 */
export function momentBefore(timeNs: bigint, duration: CalendarDuration, zone: TimeZone): bigint {
  const wall = zone.wallTime(timeNs);
  const months = wall.year * 12 + (wall.month - 1) - duration.years * 12 - duration.months;
  const year = Math.floor(months / 12);
  if (year < earliestYear) return earliestNs;
  const month = months - year * 12 + 1;
  const day = Math.min(wall.day, daysInMonth(year, month));
  const date = dayFromNumber(dayNumber({ year, month, day }) - duration.days);
  const hoursNs = BigInt(duration.hours) * 3_600_000_000_000n;
  // Nothing but hours: no trip through the wall clock, where the same hour may come twice.
  const sameDay = duration.years + duration.months + duration.days === 0;
  return (sameDay ? timeNs : zone.moment({ ...wall, ...date })) - hoursNs;
}

/** The ISO 8601 week: weeks start on Monday, week 1 holds the first Thursday of its year. */
export function isoWeek(day: CalendarDay): { year: number; week: number } {
  const number = dayNumber(day);
  // 1970-01-01 was a Thursday.
  const weekday = (((number + 3) % 7) + 7) % 7;
  const thursday = number - weekday + 3;
  const year = dayFromNumber(thursday).year;
  const week = Math.floor((thursday - dayNumber({ year, month: 1, day: 1 })) / 7) + 1;
  return { year, week };
}

const two = (value: number) => String(value).padStart(2, "0");
const four = (value: number) => String(value).padStart(4, "0");

function formatOffset(seconds: number): string {
  const minutes = Math.floor(Math.abs(seconds) / 60);
  const sign = seconds < 0 ? "-" : "+";
  return `${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/**
 * The name of the period that holds a moment; equal names mean the same period. An hour carries its
 * offset from UTC, because where clocks are set back an hour comes twice.
 */
export function periodName(kind: PeriodKind, time: ZonedTime): string {
  const month = `${four(time.year)}-${two(time.month)}`;
  const day = `${month}-${two(time.day)}`;
  switch (kind) {
    case "hourly":
      return `${day} ${two(time.hour)}h ${formatOffset(time.offsetSeconds)}`;
    case "daily":
      return day;
    case "weekly": {
      const { year, week } = isoWeek(time);
      return `${four(year)}-W${two(week)}`;
    }
    case "monthly":
      return month;
    case "yearly":
      return four(time.year);
  }
}
