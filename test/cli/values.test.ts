import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { TimeZone } from "../../src/base/time-zone.ts";
import {
  countOf,
  formatBytes,
  formatCount,
  formatDuration,
  formatMode,
  formatTime,
} from "../../src/cli/human.ts";
import { progressLine, RateMeter } from "../../src/cli/progress.ts";
import { safeJson, safeLine, safeText } from "../../src/cli/safe-text.ts";
import {
  parseCount,
  parseKeepCount,
  parseSize,
  parseSubset,
  parseUnused,
} from "../../src/cli/size-parse.ts";
import { splitWords } from "../../src/cli/split-words.ts";
import { formatTable, shorten, textWidth, wrapText } from "../../src/cli/table.ts";

const isUsage = (error: unknown) => hasCode(error, "usage");

describe("sizes", () => {
  it("are bytes, powers of 1024, or of 1000 with a B", () => {
    const cases = [
      ["0", 0],
      ["512", 512],
      ["512B", 512],
      ["1k", 1024],
      ["2G", 2 * 1024 ** 3],
      ["2GiB", 2 * 1024 ** 3],
      ["2 GB", 2e9],
      ["1.5M", 1.5 * 1024 ** 2],
      ["1T", 1024 ** 4],
    ] as const;
    for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
    for (const text of ["", "G", "-1", "1e3", "5%", "1.2.3", "9999999P", "2 Gi"]) {
      assert.throws(() => parseSize(text), isUsage, text);
    }
  });

  it("may be shares", () => {
    assert.deepEqual(parseSubset("5%"), { kind: "percent", percent: 5 });
    assert.deepEqual(parseSubset("0.5 %"), { kind: "percent", percent: 0.5 });
    assert.deepEqual(parseSubset("1/7"), { kind: "part", part: 1, parts: 7 });
    assert.deepEqual(parseSubset("2G"), { kind: "bytes", bytes: 2 * 1024 ** 3 });
    assert.deepEqual(parseUnused("unlimited"), { kind: "unlimited" });
    for (const text of ["0/7", "8/7", "101%", "1/0", "x"]) {
      assert.throws(() => parseSubset(text), isUsage, text);
    }
    assert.throws(() => parseUnused("1/7"), isUsage);
  });

  it("are shown so that three digits say something", () => {
    const cases = [
      [0, "0 B"],
      [999, "999 B"],
      [1023, "1023 B"],
      [1024, "1.00 KiB"],
      [1536, "1.50 KiB"],
      [10 * 1024, "10.0 KiB"],
      [100 * 1024, "100 KiB"],
      [1000 * 1024, "0.98 MiB"],
      [1.2 * 1024 ** 3, "1.20 GiB"],
      [1024 ** 5 * 2000, "2000 PiB"],
    ] as const;
    for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 52 }), (bytes) => {
        assert.match(formatBytes(bytes), /^\d{1,4}(\.\d{1,2})? ([KMGTP]i)?B$/);
        const shown = parseSize(formatBytes(bytes));
        assert.ok(Math.abs(shown - bytes) <= bytes * 0.006);
      }),
    );
  });
});

describe("counts", () => {
  it("are whole numbers in a range", () => {
    assert.equal(parseCount("7", 1), 7);
    assert.equal(parseKeepCount("unlimited"), Number.POSITIVE_INFINITY);
    assert.equal(parseKeepCount("0"), 0);
    for (const text of ["", "-1", "1.5", "0x10", "1e2", "0", "65", " "]) {
      assert.throws(() => parseCount(text, 1, 64), isUsage, text);
    }
  });

  it("are shown with commas and their word", () => {
    assert.deepEqual([0, 999, 1000, 1234567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
    assert.equal(countOf(1, "file"), "1 file");
    assert.equal(countOf(2000, "entry", "entries"), "2,000 entries");
  });
});

describe("durations, times and modes", () => {
  it("are shown as people read them", () => {
    const cases = [
      [0, "0.0 s"],
      [1234, "1.2 s"],
      [59_400, "59 s"],
      [65_000, "1:05"],
      [3_600_000 * 27 + 46 * 60_000 + 39_000, "27:46:39"],
    ] as const;
    for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
    const zone = new TimeZone("Asia/Kathmandu");
    assert.equal(formatTime(0n, zone), "1970-01-01 05:30:00");
    assert.equal(formatMode("d", 0o1777), "drwxrwxrwt");
    assert.equal(formatMode("-", 0o4755), "-rwsr-xr-x");
    assert.equal(formatMode("-", 0o2644), "-rw-r-Sr--");
    assert.equal(formatMode("-", 0o0), "----------");
  });
});

describe("text for terminals", () => {
  it("shows control characters instead of sending them", () => {
    assert.equal(safeText("a\x1b[2Jb\r\x07\x9b"), "a\\x1b[2Jb\\x0d\\x07\\x9b");
    assert.equal(safeText("two\nlines\tand tabs"), "two\nlines\tand tabs");
    assert.equal(safeLine("two\nlines"), "two\\nlines");
    assert.equal(safeText("evil\u202egpj.exe"), "evil\\u202egpj.exe");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.doesNotMatch(safeText(text), /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
        assert.doesNotMatch(safeJson({ text }), /[\x00-\x1f\x7f-\x9f\u2028-\u202e]/);
        assert.deepEqual(JSON.parse(safeJson({ text })), { text });
      }),
    );
  });

  it("fits tables, widths and lines", () => {
    const columns = [{ title: "Name" }, { title: "Size", align: "right" }] as const;
    assert.deepEqual(
      formatTable(columns, [
        ["a", "1"],
        ["längер", "1000"],
      ]),
      ["Name    Size", "a          1", "längер  1000"],
    );
    assert.equal(shorten("abcdefghij", 7), "ab…ghij");
    assert.equal(shorten("short", 7), "short");
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, width) => {
        assert.ok(textWidth(shorten(text, width)) <= width || textWidth(text) <= width);
      }),
    );
    assert.equal(wrapText("one two three", 9, "  "), "one two\n  three");
  });

  it("splits commands as a shell would, without being one", () => {
    const cases = [
      ["pass show backup", ["pass", "show", "backup"]],
      ["  a   b  ", ["a", "b"]],
      ["echo 'two words' \"and $HOME\"", ["echo", "two words", "and $HOME"]],
      ['a\\ b \'c\\d\' "e\\"f"', ["a b", "c\\d", 'e"f']],
      ["x '' y", ["x", "", "y"]],
      ["pre'fix'ed", ["prefixed"]],
    ] as const;
    for (const [text, words] of cases) assert.deepEqual(splitWords(text), words);
    assert.throws(() => splitWords("echo 'open"), isUsage);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", minLength: 1 })), (words) => {
        const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
        assert.deepEqual(splitWords(quoted.join(" ")), words);
      }),
    );
  });
});

describe("progress", () => {
  it("measures the rate of the last ten seconds", () => {
    const rate = new RateMeter();
    rate.add(0, 0);
    assert.equal(rate.perSecond(500, 100), undefined);
    for (let ms = 250; ms <= 60_000; ms += 250) rate.add(ms, ms < 30_000 ? 0 : (ms - 30_000) * 5);
    assert.equal(Math.round(rate.perSecond(60_000, 150_000) ?? 0), 5000);
  });

  it("shows percentage, rate and time left in one line that fits", () => {
    const state = { bytes: 2 ** 20, bytesTotal: 2 ** 21, files: 1234, current: "/home/a\x1b[2J" };
    const line = progressLine("snapshot", state, 12_000, 2 ** 19, 120);
    assert.equal(
      line,
      "snapshot  12 s  50%  1.00 MiB of 2.00 MiB  1,234 files  512 KiB/s  ETA 2.0 s" +
        "  /home/a\\x1b[2J",
    );
    for (const width of [1, 20, 60, 80]) {
      assert.ok(textWidth(progressLine("snapshot", state, 12_000, 2 ** 19, width)) <= width);
    }
    assert.equal(progressLine("x", { bytes: 0 }, 0, undefined, 80), "x  0.0 s  0 B");
  });
});
