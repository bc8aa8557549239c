/**
 * Retention: which snapshots the keep rules keep, and why. Pure: the caller forgets.
 *
 * - Rules are applied to each series by itself; what any rule keeps is kept.
 * - `daily: 7` keeps the newest snapshot of each of the 7 newest days *that have one*, so that days
 *   without snapshots use nothing up. Hours, ISO weeks, months and years alike. All of them are
 *   those of one time zone.
 * - `within: 30d` keeps what is less than 30 days older than the newest snapshot of the series, and
 *   `withinDaily: 30d` the newest of each day of those. Measured from the newest snapshot, not from
 *   now: a source that is no longer snapshotted does not lose its snapshots to the calendar.
 * - No rule at all keeps everything. A series that rules would empty is marked `emptied`.
 */
import type { SnapshotId } from "../base/ids.ts";
import type { TimeZone, ZonedTime } from "../base/time-zone.ts";
import {
  type CalendarDuration,
  formatCalendarDuration,
  momentBefore,
  type PeriodKind,
  periodName,
} from "./retention-period.ts";

export interface RetentionItem {
  readonly id: SnapshotId;
  /** Nanoseconds since 1970, UTC. */
  readonly timeNs: bigint;
  readonly series: string;
  readonly tags: readonly string[];
}

export interface RetentionRules {
  /** Counts may be 0 (the rule keeps none) and Infinity. */
  readonly last?: number;
  readonly periods?: Readonly<Partial<Record<PeriodKind, number>>>;
  readonly within?: CalendarDuration;
  readonly withinPeriods?: Readonly<Partial<Record<PeriodKind, CalendarDuration>>>;
  /** A snapshot that carries all tags of one of these sets is kept. */
  readonly tags?: readonly (readonly string[])[];
  readonly zone: TimeZone;
}

export type RetentionRuleName =
  | "last"
  | PeriodKind
  | "within"
  | `within-${PeriodKind}`
  | "tag"
  | "no-rule";

export interface RetentionReason {
  readonly rule: RetentionRuleName;
  /** For people: "daily 3 of 7: 2026-11-20". */
  readonly text: string;
}

export interface RetentionDecision<T extends RetentionItem> {
  readonly item: T;
  readonly keep: boolean;
  /** Why it is kept; empty when it is not. */
  readonly reasons: readonly RetentionReason[];
}

export interface SeriesRetention<T extends RetentionItem> {
  readonly series: string;
  /** Newest first. */
  readonly decisions: readonly RetentionDecision<T>[];
  /** The rules keep nothing of this series. */
  readonly emptied: boolean;
}

/** Finest first; also the order of reasons. */
export const periodKinds: readonly PeriodKind[] = [
  "hourly",
  "daily",
  "weekly",
  "monthly",
  "yearly",
];

/** A rule in use on one series: shown each snapshot, newest first, it says why it keeps it. */
type Judge = (item: RetentionItem, time: ZonedTime) => RetentionReason | undefined;

export function hasRetentionRules(rules: RetentionRules): boolean {
  return (
    rules.last !== undefined ||
    rules.within !== undefined ||
    (rules.tags?.length ?? 0) > 0 ||
    Object.values(rules.periods ?? {}).some((count) => count !== undefined) ||
    Object.values(rules.withinPeriods ?? {}).some((duration) => duration !== undefined)
  );
}

/** One result a series, sorted by name. Items may come in any order. */
export function applyRetention<T extends RetentionItem>(
  items: readonly T[],
  rules: RetentionRules,
): SeriesRetention<T>[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.series);
    if (group === undefined) groups.set(item.series, [item]);
    else group.push(item);
  }
  return [...groups.keys()].sort().map((series) => decide(series, groups.get(series) ?? [], rules));
}

function decide<T extends RetentionItem>(
  series: string,
  items: T[],
  rules: RetentionRules,
): SeriesRetention<T> {
  items.sort(newestFirst);
  const judges = makeJudges(rules, items[0]?.timeNs ?? 0n);
  const decisions = items.map((item) => {
    const time = rules.zone.wallTime(item.timeNs);
    // Every rule sees every snapshot: it counts what it keeps.
    const reasons = judges
      .map((judge) => judge(item, time))
      .filter((reason) => reason !== undefined);
    return { item, keep: reasons.length > 0, reasons };
  });
  return { series, decisions, emptied: !decisions.some((decision) => decision.keep) };
}

/** Equal times are ordered by id, so that every host decides alike. */
function newestFirst(a: RetentionItem, b: RetentionItem): number {
  if (a.timeNs !== b.timeNs) return a.timeNs > b.timeNs ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function makeJudges(rules: RetentionRules, newestNs: bigint): Judge[] {
  if (!hasRetentionRules(rules)) {
    return [() => ({ rule: "no-rule", text: "no keep rule was given" })];
  }
  const judges: Judge[] = [];
  if (rules.last !== undefined) judges.push(lastJudge(rules.last));
  for (const kind of periodKinds) {
    const count = rules.periods?.[kind];
    if (count !== undefined) judges.push(periodJudge(kind, count));
  }
  if (rules.within !== undefined) judges.push(withinJudge(rules.within, newestNs, rules.zone));
  for (const kind of periodKinds) {
    const duration = rules.withinPeriods?.[kind];
    if (duration !== undefined) {
      judges.push(withinPeriodJudge(kind, duration, newestNs, rules.zone));
    }
  }
  for (const tags of rules.tags ?? []) judges.push(tagJudge(tags));
  return judges;
}

const ordinal = (number: number, count: number) =>
  Number.isFinite(count) ? `${number} of ${count}` : `${number}`;

function lastJudge(count: number): Judge {
  let kept = 0;
  return () => {
    if (kept >= count) return undefined;
    kept++;
    return { rule: "last", text: `last ${ordinal(kept, count)}` };
  };
}

/**
 * A period seen before is not counted again, also when others lie between: where clocks are set
 * back shortly after midnight, yesterday comes back for an hour.
 */
function periodJudge(kind: PeriodKind, count: number): Judge {
  const seen = new Set<string>();
  return (_item, time) => {
    const name = periodName(kind, time);
    if (seen.size >= count || seen.has(name)) return undefined;
    seen.add(name);
    return { rule: kind, text: `${kind} ${ordinal(seen.size, count)}: ${name}` };
  };
}

function withinJudge(duration: CalendarDuration, newestNs: bigint, zone: TimeZone): Judge {
  const limitNs = momentBefore(newestNs, duration, zone);
  const reason = { rule: "within", text: `within ${formatCalendarDuration(duration)}` } as const;
  return (item) => (item.timeNs > limitNs ? reason : undefined);
}

function withinPeriodJudge(
  kind: PeriodKind,
  duration: CalendarDuration,
  newestNs: bigint,
  zone: TimeZone,
): Judge {
  const limitNs = momentBefore(newestNs, duration, zone);
  const seen = new Set<string>();
  return (item, time) => {
    const name = periodName(kind, time);
    if (item.timeNs <= limitNs || seen.has(name)) return undefined;
    seen.add(name);
    const text = `within-${kind} ${formatCalendarDuration(duration)}: ${name}`;
    return { rule: `within-${kind}`, text };
  };
}

function tagJudge(tags: readonly string[]): Judge {
  const reason = { rule: "tag", text: `tag ${tags.join(",")}` } as const;
  return (item) => (tags.every((tag) => item.tags.includes(tag)) ? reason : undefined);
}
