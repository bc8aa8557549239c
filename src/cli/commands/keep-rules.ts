/** The keep options of `prune` and the retention rules they make. */
import type { Command } from "commander";
import { TimeZone } from "../../base/time-zone.ts";
import { hasRetentionRules, periodKinds, type RetentionRules } from "../../engine/retention.ts";
import {
  type CalendarDuration,
  type PeriodKind,
  parseCalendarDuration,
} from "../../engine/retention-period.ts";
import { parseKeepCount } from "../size-parse.ts";
import { collectTags } from "./option-values.ts";

const periodNames: Readonly<Record<PeriodKind, string>> = {
  hourly: "hours",
  daily: "days",
  weekly: "weeks",
  monthly: "months",
  yearly: "years",
};

export interface KeepFlags {
  readonly keepLast?: number;
  readonly keepHourly?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
  readonly keepYearly?: number;
  readonly keepWithin?: CalendarDuration;
  readonly keepWithinHourly?: CalendarDuration;
  readonly keepWithinDaily?: CalendarDuration;
  readonly keepWithinWeekly?: CalendarDuration;
  readonly keepWithinMonthly?: CalendarDuration;
  readonly keepWithinYearly?: CalendarDuration;
  readonly keepTag?: readonly (readonly string[])[];
  readonly timeZone?: TimeZone;
}

export function addKeepOptions(command: Command): Command {
  command.option("--keep-last <n>", "keep the newest n snapshots of a series", parseKeepCount);
  for (const kind of periodKinds) {
    const text = `keep the newest of each of the last n ${periodNames[kind]} that have a snapshot`;
    command.option(`--keep-${kind} <n>`, text, parseKeepCount);
  }
  const within = "keep all from so long before the newest, like 2y5m7d3h";
  command.option("--keep-within <duration>", within, parseCalendarDuration);
  for (const kind of periodKinds) {
    const text = `of those within the duration keep the newest of each of the ${periodNames[kind]}`;
    command.option(`--keep-within-${kind} <duration>`, text, parseCalendarDuration);
  }
  return command
    .option("--keep-tag <tag[,tag…]>", "keep those with all these tags (repeatable)", collectTags)
    .option(
      "--time-zone <name>",
      "the zone whose hours, days and weeks count (default: the local one)",
      (name) => new TimeZone(name),
    );
}

type Rules<T> = Partial<Record<PeriodKind, T>>;

function defined<T>(values: Readonly<Record<PeriodKind, T | undefined>>): Rules<T> {
  const rules: Rules<T> = {};
  for (const kind of periodKinds) {
    const value = values[kind];
    if (value !== undefined) rules[kind] = value;
  }
  return rules;
}

/** Undefined when no keep option was given: then nothing is forgotten. */
export function rulesOf(flags: KeepFlags, localZone: TimeZone): RetentionRules | undefined {
  const rules: RetentionRules = {
    zone: flags.timeZone ?? localZone,
    ...(flags.keepLast === undefined ? {} : { last: flags.keepLast }),
    ...(flags.keepWithin === undefined ? {} : { within: flags.keepWithin }),
    periods: defined({
      hourly: flags.keepHourly,
      daily: flags.keepDaily,
      weekly: flags.keepWeekly,
      monthly: flags.keepMonthly,
      yearly: flags.keepYearly,
    }),
    withinPeriods: defined({
      hourly: flags.keepWithinHourly,
      daily: flags.keepWithinDaily,
      weekly: flags.keepWithinWeekly,
      monthly: flags.keepWithinMonthly,
      yearly: flags.keepWithinYearly,
    }),
    tags: flags.keepTag ?? [],
  };
  return hasRetentionRules(rules) ? rules : undefined;
}
