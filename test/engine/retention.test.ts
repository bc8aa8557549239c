import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { snapshotId } from "../../src/base/ids.ts";
import { TimeZone } from "../../src/base/time-zone.ts";
import {
  applyRetention,
  hasRetentionRules,
  periodKinds,
  type RetentionItem,
  type RetentionRules,
} from "../../src/engine/retention.ts";
import {
  formatCalendarDuration,
  isoWeek,
  momentBefore,
  parseCalendarDuration,
  periodName,
} from "../../src/engine/retention-period.ts";

const utc = new TimeZone("UTC");
const berlin = new TimeZone("Europe/Berlin");
const ns = (iso: string) =>
  BigInt(Date.parse(iso.includes("T") ? iso : `${iso}T12:00:00Z`)) * 1_000_000n;

let serial = 0;
function item(iso: string, options: Partial<RetentionItem> = {}): RetentionItem {
  const id = snapshotId((++serial).toString(16).padStart(64, "0"));
  return { id, timeNs: ns(iso), series: "home", tags: [], ...options };
}

/** The kept times of one series, newest first, as "TIME: reason; reason". */
function kept(times: readonly string[], rules: Omit<RetentionRules, "zone">, zone = utc): string[] {
  const byId = new Map(times.map((time) => [item(time), time]));
  const [series] = applyRetention([...byId.keys()], { ...rules, zone });
  return (series?.decisions ?? [])
    .filter((decision) => decision.keep)
    .map(({ item: kept, reasons }) => {
      const texts = reasons.map((reason) => reason.text).join("; ");
      return `${byId.get(kept)}: ${texts}`;
    });
}

describe("retention", () => {
  it("keeps everything without rules, and says so", () => {
    const result = kept(["2026-11-20", "2026-11-19"], {});
    assert.deepEqual(result, [
      "2026-11-20: no keep rule was given",
      "2026-11-19: no keep rule was given",
    ]);
    assert.equal(hasRetentionRules({ zone: utc, tags: [], periods: {} }), false);
    assert.equal(hasRetentionRules({ zone: utc, last: 0 }), true);
  });

  it("keeps the last n", () => {
    assert.deepEqual(kept(["2026-01-01", "2026-01-03", "2026-01-02"], { last: 2 }), [
      "2026-01-03: last 1 of 2",
      "2026-01-02: last 2 of 2",
    ]);
  });

  it("keeps the newest of each day that has one: an idle week uses nothing up", () => {
    const times = [
      "2026-11-20T18:00:00Z",
      "2026-11-20T06:00:00Z",
      "2026-11-10T06:00:00Z",
      "2026-11-09T23:59:59.999Z",
      "2026-11-09T00:00:00Z",
      "2026-11-08T12:00:00Z",
    ];
    assert.deepEqual(kept(times, { periods: { daily: 3 } }), [
      "2026-11-20T18:00:00Z: daily 1 of 3: 2026-11-20",
      "2026-11-10T06:00:00Z: daily 2 of 3: 2026-11-10",
      "2026-11-09T23:59:59.999Z: daily 3 of 3: 2026-11-09",
    ]);
  });

  it("joins rules and names each", () => {
    const times = ["2026-11-20", "2026-11-19", "2026-10-31", "2025-12-31"];
    const rules = { last: 1, periods: { daily: 2, weekly: 1, monthly: 2, yearly: 2 } };
    assert.deepEqual(kept(times, rules), [
      "2026-11-20: last 1 of 1; daily 1 of 2: 2026-11-20; weekly 1 of 1: 2026-W47; " +
        "monthly 1 of 2: 2026-11; yearly 1 of 2: 2026",
      "2026-11-19: daily 2 of 2: 2026-11-19",
      "2026-10-31: monthly 2 of 2: 2026-10",
      "2025-12-31: yearly 2 of 2: 2025",
    ]);
  });

  it("takes days and years from the stated zone", () => {
    // Half past midnight of the new year in Berlin, still the old year in UTC.
    const times = ["2026-12-31T23:30:00Z", "2026-12-31T22:30:00Z"];
    assert.equal(kept(times, { periods: { yearly: 5 } }, utc).length, 1);
    assert.deepEqual(kept(times, { periods: { yearly: 5 } }, berlin), [
      "2026-12-31T23:30:00Z: yearly 1 of 5: 2027",
      "2026-12-31T22:30:00Z: yearly 2 of 5: 2026",
    ]);
    const kathmandu = new TimeZone("Asia/Kathmandu");
    const around = ["2026-11-20T18:15:00Z", "2026-11-20T18:14:59Z"];
    assert.equal(kept(around, { periods: { daily: 5 } }, kathmandu).length, 2);
    assert.equal(kept(around, { periods: { daily: 5 } }, utc).length, 1);
  });

  it("tells the two hours apart where the clock is set back", () => {
    const times = ["2026-10-25T01:10:00Z", "2026-10-25T00:50:00Z", "2026-10-25T00:10:00Z"];
    assert.deepEqual(kept(times, { periods: { hourly: 5 } }, berlin), [
      "2026-10-25T01:10:00Z: hourly 1 of 5: 2026-10-25 02h +01:00",
      "2026-10-25T00:50:00Z: hourly 2 of 5: 2026-10-25 02h +02:00",
    ]);
  });

  it("counts a day once that comes back because clocks change just after midnight", () => {
    // Newfoundland set its clocks back at 00:01, to 23:01 of the day before.
    const zone = new TimeZone("America/St_Johns");
    const times = [
      "2006-10-29T04:00:00Z", // 29th, 00:30
      "2006-10-29T02:45:00Z", // 28th again, 23:15
      "2006-10-29T02:30:30Z", // 29th for a minute, 00:00:30
      "2006-10-29T02:00:00Z", // 28th, 23:30
      "2006-10-27T12:00:00Z",
    ];
    assert.deepEqual(kept(times, { periods: { daily: 3 } }, zone), [
      "2006-10-29T04:00:00Z: daily 1 of 3: 2006-10-29",
      "2006-10-29T02:45:00Z: daily 2 of 3: 2006-10-28",
      "2006-10-27T12:00:00Z: daily 3 of 3: 2006-10-27",
    ]);
  });

  it("measures durations from the newest snapshot of the series", () => {
    const times = ["2020-06-30", "2020-06-01", "2020-05-31T12:00:00.001Z", "2020-05-31"];
    assert.deepEqual(kept(times, { within: parseCalendarDuration("30d") }), [
      "2020-06-30: within 30d",
      "2020-06-01: within 30d",
      "2020-05-31T12:00:00.001Z: within 30d",
    ]);
    const rules = { withinPeriods: { monthly: parseCalendarDuration("1y") } };
    const months = ["2020-06-30", "2020-06-01", "2020-01-15", "2019-06-30", "2019-07-01"];
    assert.deepEqual(kept(months, rules), [
      "2020-06-30: within-monthly 1y: 2020-06",
      "2020-01-15: within-monthly 1y: 2020-01",
      "2019-07-01: within-monthly 1y: 2019-07",
    ]);
  });

  it("keeps by tags, all of a set", () => {
    const items = [
      item("2026-01-01", { tags: ["a"] }),
      item("2026-01-02", { tags: ["b", "a"] }),
      item("2026-01-03", { tags: ["c"] }),
      item("2026-01-04"),
    ];
    const keptDays = (tags: string[][]) =>
      applyRetention(items, { zone: utc, tags })[0]
        ?.decisions.filter((decision) => decision.keep)
        .map(({ item }) => utc.wallTime(item.timeNs).day);
    assert.deepEqual(keptDays([["a", "b"]]), [2]);
    assert.deepEqual(keptDays([["a"], ["c"]]), [3, 2, 1]);
  });

  it("judges each series by itself and marks one that it would empty", () => {
    const items = [
      item("2026-01-01", { series: "b" }),
      item("2026-01-05", { series: "a" }),
      item("2026-01-02", { series: "b", tags: ["keep"] }),
    ];
    const result = applyRetention(items, { zone: utc, tags: [["keep"]] });
    assert.deepEqual(
      result.map(({ series, emptied, decisions }) => [series, emptied, decisions.length]),
      [
        ["a", true, 1],
        ["b", false, 2],
      ],
    );
  });

  it("holds on any history: counts, newest of each period, order of input, zone", () => {
    const zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"];
    const anyTime = fc.bigInt({ min: ns("1969-01-01"), max: ns("2030-01-01") });
    const property = fc.property(
      fc.uniqueArray(anyTime, { minLength: 1, maxLength: 60 }),
      fc.constantFrom(...periodKinds),
      fc.nat(12),
      fc.constantFrom(...zones.map((name) => new TimeZone(name))),
      (times, kind, count, zone) => {
        const items = times.map((timeNs) => ({ ...item("2026-01-01"), timeNs }));
        const rules: RetentionRules = { zone, periods: { [kind]: count } };
        const [result] = applyRetention(items, rules);
        const decisions = result?.decisions ?? [];
        const name = (timeNs: bigint) => periodName(kind, zone.wallTime(timeNs));
        const names = [...new Set(decisions.map(({ item }) => name(item.timeNs)))];
        const keptItems = decisions.filter((decision) => decision.keep).map(({ item }) => item);
        assert.equal(keptItems.length, Math.min(count, names.length));
        for (const [position, { timeNs }] of keptItems.entries()) {
          const newest = items.reduce(
            (best, other) =>
              name(other.timeNs) === name(timeNs) && other.timeNs > best ? other.timeNs : best,
            timeNs,
          );
          assert.equal(timeNs, newest);
          assert.equal(name(timeNs), names[position]);
        }
        assert.deepEqual(applyRetention([...items].reverse(), rules)[0], result);
        assert.equal(result?.emptied, keptItems.length === 0);
      },
    );
    fc.assert(property);
  });

  it("keeps as much or more with a larger count", () => {
    const anyTime = fc.bigInt({ min: ns("2025-01-01"), max: ns("2026-01-01") });
    const property = fc.property(
      fc.array(anyTime, { maxLength: 40 }),
      fc.constantFrom(...periodKinds),
      fc.nat(10),
      (times, kind, count) => {
        const items = times.map((timeNs) => ({ ...item("2026-01-01"), timeNs }));
        const keptIds = (periods: RetentionRules["periods"]) =>
          applyRetention(items, { zone: berlin, periods: periods ?? {} })
            .flatMap((series) => series.decisions)
            .filter((decision) => decision.keep)
            .map((decision) => decision.item.id);
        const fewer = keptIds({ [kind]: count });
        const more = new Set(keptIds({ [kind]: count + 1 }));
        assert.ok(fewer.every((id) => more.has(id)));
        assert.equal(new Set(keptIds({ [kind]: Infinity })).size >= more.size, true);
      },
    );
    fc.assert(property);
  });
});

describe("retention calendar", () => {
  it("numbers ISO weeks across years", () => {
    const cases = [
      [1970, 1, 1, "1970-W01"],
      [1969, 12, 28, "1969-W52"],
      [1969, 12, 29, "1970-W01"],
      [2020, 12, 31, "2020-W53"],
      [2021, 1, 3, "2020-W53"],
      [2021, 1, 4, "2021-W01"],
      [2024, 12, 30, "2025-W01"],
      [2026, 12, 31, "2026-W53"],
      [2027, 1, 3, "2026-W53"],
      [2027, 1, 4, "2027-W01"],
    ] as const;
    for (const [year, month, day, name] of cases) {
      const { year: weekYear, week } = isoWeek({ year, month, day });
      assert.equal(`${weekYear}-W${String(week).padStart(2, "0")}`, name);
    }
  });

  it("goes back by calendar, at the end of months and over clock changes", () => {
    const cases = [
      ["2026-03-31T10:00:00Z", "1m", "2026-02-28T11:00:00Z"],
      ["2024-02-29T11:00:00Z", "1y", "2023-02-28T11:00:00Z"],
      // The same time of day, an hour of summer time apart.
      ["2026-10-26T11:00:00Z", "2d", "2026-10-24T10:00:00Z"],
      ["2026-10-26T11:00:00Z", "48h", "2026-10-24T11:00:00Z"],
      // In the hour that comes twice, hours are hours.
      ["2026-10-25T01:30:00Z", "1h", "2026-10-25T00:30:00Z"],
      ["2026-01-01T00:30:00Z", "2y5m7d3h", "2023-07-24T20:30:00Z"],
    ] as const;
    for (const [from, duration, to] of cases) {
      const result = momentBefore(ns(from), parseCalendarDuration(duration), berlin);
      assert.equal(result, ns(to), `${from} less ${duration}`);
    }
    const ages = momentBefore(ns("2026-01-01"), parseCalendarDuration("9999y"), berlin);
    assert.ok(ages < ns("1700-01-01"));
  });

  it("parses durations and writes them again", () => {
    assert.deepEqual(parseCalendarDuration("2y5m7d3h"), { years: 2, months: 5, days: 7, hours: 3 });
    assert.deepEqual(parseCalendarDuration("2w1d"), { years: 0, months: 0, days: 15, hours: 0 });
    for (const text of ["2y5m7d3h", "30d", "1h"]) {
      assert.equal(formatCalendarDuration(parseCalendarDuration(text)), text);
    }
    for (const text of ["", "5", "3h2d", "1.5d", "-1d", "1d ", "1D", "d"]) {
      assert.throws(
        () => parseCalendarDuration(text),
        (error) => hasCode(error, "usage"),
        text,
      );
    }
  });
});
