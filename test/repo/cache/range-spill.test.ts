/** The temporary file of a large load, on a file system that refuses. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RangeSpill } from "../../../src/repo/cache/range-spill.ts";
import { smallDisk } from "../../helpers/e2e-disk.ts";
import { withFolder } from "../../helpers/test-repository.ts";

const cacheFailed = { code: "cache-failed" };

test("a folder in which no file can be made is cache-failed", async () => {
  await withFolder(async (top) => {
    const absent = join(top, "absent");
    assert.throws(() => new RangeSpill(absent, 1, 1), cacheFailed);
    assert.equal(existsSync(absent), false);
  });
});

test("a full disk is cache-failed, with the folder in its message", async (context) => {
  await withFolder(async (top) => {
    const disk = smallDisk(join(top, "small"), 256 * 1024, 256 * 1024);
    try {
      if (!disk.isMounted) return context.skip("only who may mount has a file system to fill");
      const spill = new RangeSpill(disk.folder, 1, 1);
      const row = { offset: 0, length: 1, rawLength: 1, kind: 1, encoding: 0 };
      const fill = () => {
        for (let number = 0; number < 10_000; number++) spill.add(new Uint8Array(16), 1, 1, row);
      };
      assert.throws(fill, (error: Error) => {
        assert.match(error.message, /ENOSPC/);
        assert.ok(error.message.includes(disk.folder));
        return (error as Error & { code: string }).code === "cache-failed";
      });
      spill.close();
    } finally {
      disk.remove();
    }
  });
});
