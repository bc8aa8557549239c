import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { daysInMonth, TimeZone, type WallTime } from "../../src/base/time-zone.ts";

const ns = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n;
const names = [
  "UTC",
  "Europe/Berlin",
  "America/St_Johns",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Pacific/Chatham",
  "Africa/Monrovia",
  "America/Sao_Paulo",
];
const zones = names.map((name) => new TimeZone(name));
const anyZone = fc.constantFrom(...zones);
/** 1700 to 2250, also before 1970. */
const anyNs = fc.bigInt({ min: ns("1700-01-01T00:00:00Z"), max: ns("2250-01-01T00:00:00Z") });

function wall(text: string): WallTime {
  const [year, month, day, hour, minute, second] = text.split(/\D/).map(Number);
  return { year, month, day, hour, minute, second, nanosecond: 0 } as WallTime;
}

/** The zone of this process as if it ran elsewhere. */
function withTz<T>(name: string, use: () => T): T {
  const before = process.env["TZ"];
  process.env["TZ"] = name;
  try {
    return use();
  } finally {
    if (before === undefined) delete process.env["TZ"];
    else process.env["TZ"] = before;
  }
}

describe("time zone", () => {
  it("shows in the zone of the process what it shows in the zone of that name", () => {
    withTz("Europe/Berlin", () => assert.equal(new TimeZone().name, "Europe/Berlin"));
    for (const name of names) {
      withTz(name, () => {
        const [here, named] = [new TimeZone(), new TimeZone(name)];
        fc.assert(
          fc.property(anyNs, (timeNs) => {
            assert.deepEqual(here.wallTime(timeNs), named.wallTime(timeNs));
          }),
          { numRuns: 50 },
        );
      });
    }
  });

  it("shows nanoseconds and offsets, also before 1970", () => {
    const time = new TimeZone("Europe/Berlin").wallTime(-1n);
    assert.deepEqual(time, {
      year: 1970,
      month: 1,
      day: 1,
      hour: 0,
      minute: 59,
      second: 59,
      nanosecond: 999_999_999,
      offsetSeconds: 3600,
    });
    const kathmandu = new TimeZone("Asia/Kathmandu").wallTime(ns("2026-11-20T18:15:00Z"));
    assert.equal(kathmandu.day, 21);
    assert.equal(kathmandu.hour, 0);
    assert.equal(kathmandu.offsetSeconds, 20_700);
  });

  it("finds the moment of a wall time on both sides of clock changes", () => {
    const cases = [
      // Skipped: 02:30 does not exist on this day.
      ["Europe/Berlin", "2026-03-29 02:30:00", "2026-03-29T01:30:00Z"],
      // Comes twice: the first.
      ["Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"],
      ["Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00Z"],
      // Half an hour of summer time.
      ["Australia/Lord_Howe", "2026-04-05 01:45:00", "2026-04-04T14:45:00Z"],
      ["Australia/Lord_Howe", "2026-04-05 02:00:00", "2026-04-04T15:30:00Z"],
      // This day did not exist: the date line moved.
      ["Pacific/Apia", "2011-12-29 23:59:59", "2011-12-30T09:59:59Z"],
      ["Pacific/Apia", "2011-12-31 00:00:00", "2011-12-30T10:00:00Z"],
      ["Africa/Monrovia", "1971-06-01 00:00:00", "1971-06-01T00:44:30Z"],
    ] as const;
    for (const [zone, text, iso] of cases) {
      assert.equal(new TimeZone(zone).moment(wall(text)), ns(iso), `${text} in ${zone}`);
    }
  });

  it("comes back to the moment, or to its twin where the clock was set back", () => {
    fc.assert(
      fc.property(anyZone, anyNs, (zone, timeNs) => {
        const shown = zone.wallTime(timeNs);
        const again = zone.moment(shown);
        assert.deepEqual(
          { ...zone.wallTime(again), offsetSeconds: 0 },
          { ...shown, offsetSeconds: 0 },
        );
        assert.ok(again <= timeNs, "of two moments the first");
        assert.ok(timeNs - again <= 24n * 3_600_000_000_000n);
      }),
    );
  });

  it("knows the lengths of months", () => {
    assert.deepEqual(
      [2023, 2024, 1900, 2000].map((year) => daysInMonth(year, 2)),
      [28, 29, 28, 29],
    );
    assert.equal(daysInMonth(2026, 12), 31);
  });

  it("refuses names that are no zone", () => {
    assert.throws(
      () => new TimeZone("Mars/Olympus"),
      (error) => hasCode(error, "usage"),
    );
  });
});
