/** The key slot that opened a repository before is tried first, and is no more than a guess. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addKeySlot, removeKeySlot } from "../../src/engine/key-management.ts";
import type { Secret } from "../../src/repo/crypto/kek.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import { withPlace } from "../helpers/snapshot-place.ts";
import { failsWith, namesIn, recording } from "../helpers/snapshot-runs.ts";

const secretOf = (at: number): Secret => ({ kind: "key", bytes: Buffer.alloc(32, at) });

test("a host that is at home reads one slot and lists none", () =>
  withPlace(
    async (place) => {
      await (await place.init()).close();
      const log: string[] = [];
      const open = (secret?: Secret) => {
        log.length = 0;
        const store = new FaultStore(place.store, recording(log));
        return place.open({ store, ...(secret === undefined ? {} : { secret }) });
      };
      await (await open()).close();
      assert.ok(log.includes("list keys"), "the first time");
      const repo = await open();
      assert.deepEqual(log, ["get varve.json", "get keys"]);
      const [first = ""] = await namesIn(place.store, "keys");
      await addKeySlot(repo, { secret: secretOf(9), label: "another" });
      await repo.close();

      await (await open(secretOf(9))).close();
      await (await open(secretOf(9))).close();
      assert.deepEqual(log, ["get varve.json", "get keys"], "the one that opened last");
      await failsWith("password-wrong", () => open(secretOf(8)));
      assert.equal(log.filter((each) => each === "get keys").length, 2, "no slot is read twice");

      // The guess is gone from the store, and with it what it opened.
      await (await open()).close();
      const other = await open(secretOf(9));
      await removeKeySlot(other, first.slice("keys/".length));
      await other.close();
      await failsWith("password-wrong", () => open());
      await (await open(secretOf(9))).close();
    },
    { store: new MemoryStore() },
  ));
