import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { TimeZone } from "../../src/base/time-zone.ts";
import { formatTime, isoTime } from "../../src/cli/human.ts";
import { parseTime } from "../../src/cli/time-parse.ts";

const ns = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n;
const berlin = new TimeZone("Europe/Berlin");
/** 20 November 2026, 15:30 in Berlin. */
const nowNs = ns("2026-11-20T14:30:00Z") + 42n;
const start = { nowNs, zone: berlin, dayMeans: "start" } as const;
const end = { nowNs, zone: berlin, dayMeans: "end" } as const;

describe("parseTime", () => {
  it("understands days, clocks, zones and fractions", () => {
    const cases = [
      ["2026-11-20", "2026-11-19T23:00:00Z"],
      ["2026-11-20 14:30", "2026-11-20T13:30:00Z"],
      ["2026-11-20T14:30:05", "2026-11-20T13:30:05Z"],
      ["2026-11-20 9:05", "2026-11-20T08:05:00Z"],
      ["2026-11-20 14:30Z", "2026-11-20T14:30:00Z"],
      ["2026-11-20 14:30 UTC", "2026-11-20T14:30:00Z"],
      ["2026-11-20T14:30:00+05:45", "2026-11-20T08:45:00Z"],
      ["2026-11-20T14:30:00-0330", "2026-11-20T18:00:00Z"],
      ["2026-11-20T14:30:00+01", "2026-11-20T13:30:00Z"],
      ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"],
      ["1969-07-20T20:17:40Z", "1969-07-20T20:17:40Z"],
      ["  2026-11-20  ", "2026-11-19T23:00:00Z"],
      ["@1763645400", "2025-11-20T13:30:00Z"],
      ["@-1.5", "1969-12-31T23:59:58.500Z"],
    ] as const;
    for (const [text, iso] of cases) assert.equal(parseTime(text, start), ns(iso), text);
    assert.equal(
      parseTime("2026-11-20T14:30:00.123456789Z", start),
      ns("2026-11-20T14:30:00Z") + 123_456_789n,
    );
    assert.equal(parseTime("2026-11-20 14:30:00,5", start), ns("2026-11-20T13:30:00.500Z"));
  });

  it("takes a day as its start or as its end", () => {
    assert.equal(parseTime("2026-11-20", end), ns("2026-11-20T23:00:00Z") - 1n);
    assert.equal(parseTime("today", start), ns("2026-11-19T23:00:00Z"));
    assert.equal(parseTime("yesterday", end), ns("2026-11-19T23:00:00Z") - 1n);
    // A day of 25 hours.
    assert.equal(parseTime("2026-10-25", end), ns("2026-10-25T23:00:00Z") - 1n);
    // A time of day is that moment, whatever a day means.
    assert.equal(parseTime("2026-11-20 14:30", end), ns("2026-11-20T13:30:00Z"));
  });

  it("understands names and ages", () => {
    const cases = [
      ["now", nowNs],
      ["NOW", nowNs],
      ["yesterday 18:00", ns("2026-11-19T17:00:00Z")],
      ["Today 09:00:30", ns("2026-11-20T08:00:30Z")],
      ["18:00", ns("2026-11-20T17:00:00Z")],
      ["2h", ns("2026-11-20T12:30:00Z") + 42n],
      ["3d", ns("2026-11-17T14:30:00Z") + 42n],
      ["2 days ago", ns("2026-11-18T14:30:00Z") + 42n],
      ["1w2d", ns("2026-11-11T14:30:00Z") + 42n],
      ["90min", ns("2026-11-20T13:00:00Z") + 42n],
      ["1 hour 30 minutes ago", ns("2026-11-20T13:00:00Z") + 42n],
      ["2mo", ns("2026-09-20T13:30:00Z") + 42n],
      ["1y", ns("2025-11-20T14:30:00Z") + 42n],
      ["10s", ns("2026-11-20T14:29:50Z") + 42n],
    ] as const;
    for (const [text, expected] of cases) assert.equal(parseTime(text, start), expected, text);
  });

  it("counts days by the wall clock and hours by the hour over a clock change", () => {
    const options = { ...start, nowNs: ns("2026-10-26T12:00:00Z") };
    assert.equal(parseTime("2d", options), ns("2026-10-24T11:00:00Z"));
    assert.equal(parseTime("48h", options), ns("2026-10-24T12:00:00Z"));
    const spring = { ...start, nowNs: ns("2026-03-29T10:00:00Z") };
    assert.equal(parseTime("today 02:30", spring), ns("2026-03-29T01:30:00Z"));
    assert.equal(parseTime("2026-10-25 02:30", spring), ns("2026-10-25T00:30:00Z"));
  });

  it("refuses what is no time, with a hint", () => {
    const texts = [
      "",
      "tomorrow",
      "30m",
      "2026-02-29",
      "2026-13-01",
      "2026-00-10",
      "2026-11-20 24:00",
      "2026-11-20 14:60",
      "2026-11-20 14:30:60",
      "2026-11-20T14:30:00.1234567891Z",
      "2026-11-20 14:30 CEST",
      "2026-11-20 14:30+19:00",
      "26-11-20",
      "1200-01-01",
      "3 fortnights",
      "h",
      "yesterday 18:00 UTC",
      "@",
      "99999999999d",
    ];
    for (const text of texts) {
      assert.throws(
        () => parseTime(text, start),
        (error) => hasCode(error, "usage") && error.hint !== undefined,
        text,
      );
    }
  });

  it("returns a time or throws usage, whatever it is given", () => {
    const pieces = fc.constantFrom("2026-11-20", " ", "T", "14:30", "3d", "ago", "Z", "+01", "@5");
    const texts = fc.oneof(
      fc.string(),
      fc.array(pieces).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          assert.equal(typeof parseTime(text, end), "bigint");
        } catch (error) {
          assert.ok(hasCode(error, "usage"), String(error));
        }
      }),
    );
  });

  it("reads back what is printed for JSON, to the nanosecond", () => {
    const anyNs = fc.bigInt({ min: ns("1680-01-01T00:00:00Z"), max: ns("2260-01-01T00:00:00Z") });
    fc.assert(
      fc.property(anyNs, (timeNs) => {
        assert.equal(parseTime(isoTime(timeNs), start), timeNs);
        const seconds = timeNs - (((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
        const zone = new TimeZone("UTC");
        assert.equal(parseTime(formatTime(timeNs, zone), { ...start, zone }), seconds);
      }),
    );
  });
});
