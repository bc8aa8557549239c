import assert from "node:assert/strict";
import { test } from "node:test";
import { VarveError } from "../../src/base/errors.ts";
import {
  addKeySlot,
  changePassword,
  listKeySlots,
  removeKeySlot,
} from "../../src/engine/key-management.ts";
import type { KdfParameters, Secret } from "../../src/repo/crypto/kek.ts";
import { openRepository, type Repository } from "../../src/repo/repository.ts";
import { FaultStore, SimulatedCrash } from "../../src/repo/store/fault-store.ts";
import { MemoryStore } from "../../src/repo/store/memory-store.ts";
import type { Store } from "../../src/repo/store/store.ts";
import {
  makeRepository,
  reopenRepository,
  testSecret,
  withFolder,
} from "../helpers/test-repository.ts";

const kdf: KdfParameters = { memoryKib: 8 * 1024, passes: 1, parallelism: 1 };
const word = (text: string): Secret => ({ kind: "passphrase", text });

const hasCode = (code: string) => (error: unknown) =>
  error instanceof VarveError && error.code === code;

async function withRepository(
  use: (place: { folder: string; store: MemoryStore; repo: Repository }) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const store = new MemoryStore();
    const repo = await makeRepository(folder, { store });
    await use({ folder, store, repo });
    repo.cache.db.close();
  });
}

async function opensWith(repo: Repository, folder: string, store: Store, secret: Secret) {
  const { clock, random, host } = repo;
  try {
    const opened = await openRepository({
      store,
      cacheDir: `${folder}/cache`,
      clock,
      random,
      host,
      secret,
      freshCache: true,
    });
    opened.cache.db.close();
    return true;
  } catch (error) {
    assert.ok(hasCode("password-wrong")(error), String(error));
    return false;
  }
}

test("keys are listed with what is known of them, and which one is in use", async () => {
  await withRepository(async ({ repo }) => {
    const added = await addKeySlot(repo, { secret: word("one more"), label: "laptop", kdf });
    const slots = await listKeySlots(repo, testSecret);
    assert.deepEqual(
      slots.map(({ info, inUse }) => [info?.label, info?.kdf, info?.host, inUse]),
      [
        ["test", "key-file", "testhost", true],
        ["laptop", "argon2id", "testhost", false],
      ],
    );
    assert.equal(slots[1]?.id, added);
    const asOther = await listKeySlots(repo, word("one more"));
    assert.deepEqual(
      asOther.map(({ inUse }) => inUse),
      [false, true],
    );
  });
});

test("a damaged slot is listed as such, and can be removed", async () => {
  await withRepository(async ({ repo, store }) => {
    const added = await addKeySlot(repo, { secret: word("x"), label: "hurt", kdf });
    const bytes = await store.get(`keys/${added}`);
    bytes[90] = (bytes[90] ?? 0) ^ 1;
    await store.put(`keys/${added}`, bytes);
    const hurt = (await listKeySlots(repo, testSecret)).find(({ id }) => id === added);
    assert.equal(hurt?.info, undefined);
    assert.match(hurt?.message ?? "", /[Dd]amaged/);
    const [sound] = (await listKeySlots(repo, testSecret)).filter(({ inUse }) => inUse);
    await assert.rejects(removeKeySlot(repo, sound?.id ?? ""), hasCode("key-last"));
    assert.equal(await removeKeySlot(repo, added.slice(0, 6)), added);
  });
});

test("a key that was removed opens no more; the last one stays", async () => {
  await withRepository(async ({ folder, repo, store }) => {
    const added = await addKeySlot(repo, { secret: word("second"), label: "second", kdf });
    assert.equal(await opensWith(repo, folder, store, word("second")), true);
    await assert.rejects(removeKeySlot(repo, "zz"), hasCode("key-absent"));
    await assert.rejects(removeKeySlot(repo, ""), hasCode("key-absent"));
    await removeKeySlot(repo, added);
    assert.equal(await opensWith(repo, folder, store, word("second")), false);
    const [last] = await listKeySlots(repo, testSecret);
    await assert.rejects(removeKeySlot(repo, last?.id ?? ""), hasCode("key-last"));
    assert.equal(await opensWith(repo, folder, store, testSecret), true);
  });
});

test("after passwd only the new password opens", async () => {
  await withRepository(async ({ folder, repo, store }) => {
    const wrong = changePassword(repo, word("not it"), { secret: word("new"), label: "n", kdf });
    await assert.rejects(wrong, hasCode("password-wrong"));
    await changePassword(repo, testSecret, { secret: word("new"), label: "n", kdf });
    assert.equal(await opensWith(repo, folder, store, testSecret), false);
    assert.equal(await opensWith(repo, folder, store, word("new")), true);
    // The same password again is a new slot all the same.
    await changePassword(repo, word("new"), { secret: word("new"), label: "n", kdf });
    assert.equal(await opensWith(repo, folder, store, word("new")), true);
    assert.equal(store.names("keys").length, 1);
  });
});

test("a crash at any step of passwd leaves a password that works", async () => {
  await withRepository(async ({ folder, store }) => {
    for (const effect of ["none", "whole"] as const) {
      for (let at = 1; at <= 3; at++) {
        const fork = store.fork();
        const repo = await reopenRepository(folder, {
          store: new FaultStore(fork, { crash: { at, effect } }),
          freshCache: true,
        });
        const run = changePassword(repo, testSecret, { secret: word("new"), label: "n", kdf });
        const crashed = await run.then(
          () => false,
          (error: unknown) => {
            assert.ok(error instanceof SimulatedCrash, String(error));
            return true;
          },
        );
        assert.equal(crashed, at <= 2, "put, then delete");
        const opens = [
          await opensWith(repo, folder, fork, testSecret),
          await opensWith(repo, folder, fork, word("new")),
        ];
        const isNew = at > 1 || effect === "whole";
        const isOld = at === 1 || (at === 2 && effect === "none");
        assert.deepEqual(opens, [isOld, isNew], `crash at ${at}, ${effect}`);
        repo.cache.db.close();
      }
    }
  });
});
