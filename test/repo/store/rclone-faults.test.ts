/** Remotes that are plain folders, and what goes wrong with rclone itself. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { parseRcloneUrl, RcloneStore } from "../../../src/repo/store/rclone/rclone-store.ts";
import { childrenOf } from "../../helpers/child-processes.ts";
import { rcloneEnvironment, rcloneStore } from "../../helpers/rclone-place.ts";
import { coded, listAll, patternBytes } from "../../helpers/store-data.ts";

async function withFolder(
  work: (store: RcloneStore, folder: string) => Promise<void>,
  place = (folder: string) => `:local:${folder}`,
): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), "remote-"));
  const store = rcloneStore(place(folder));
  try {
    await work(store, folder);
  } finally {
    await store.close();
    fs.rmSync(folder, { recursive: true });
  }
}

/** What is asked of every remote. */
async function roundTrip(store: RcloneStore): Promise<void> {
  for (const length of [100_000, 10, 70_000, 0]) {
    await store.put("sessions/a", patternBytes(length, length));
    assert.deepEqual(await store.get("sessions/a"), patternBytes(length, length));
  }
  const names = Array.from({ length: 20 }, (_, at) => `packs/${at % 3}/${at}`);
  await Promise.all(names.map((name, at) => store.put(name, patternBytes(at * 1000))));
  await store.deleteMany([...names.slice(5), "packs/none/a"]);
  const listed = await listAll(store, "packs");
  assert.deepEqual(
    listed.map(({ size }) => size),
    [0, 3000, 1000, 4000, 2000],
  );
  assert.deepEqual(await store.getRange("packs/1/4", 500, 7), patternBytes(4000).slice(500, 507));
  await assert.rejects(store.getRange("packs/1/4", 3999, 2), coded("object-damaged"));
  await assert.rejects(store.get("packs/1/7"), coded("object-absent"));
  assert.deepEqual(await listAll(store, "fences"), []);
}

test("a folder gets plain files, and nothing else is left in it", () =>
  withFolder(async (store, folder) => {
    await roundTrip(store);
    const files = fs.readdirSync(folder, { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      files.filter((name) => /tmp|partial/.test(name)),
      [],
    );
    assert.deepEqual(fs.readFileSync(`${folder}/packs/1/4`), Buffer.from(patternBytes(4000)));
    fs.writeFileSync(`${folder}/packs/1/.tmp-${"0".repeat(32)}`, "x");
    fs.writeFileSync(`${folder}/packs/1/abc.12345678.partial`, "x");
    assert.equal((await listAll(store, "packs")).length, 5);
    assert.equal(await store.sweepTemporary(3_600_000), 0);
    assert.equal(await store.sweepTemporary(-3_600_000), 2);
  }));

test("WebDAV", () =>
  withServed(async (port) => {
    const store = rcloneStore(`:webdav,url='http://127.0.0.1:${port}',vendor=other:repo`);
    try {
      await roundTrip(store);
    } finally {
      await store.close();
    }
  }));

async function withServed(work: (port: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), "served-"));
  const args = ["serve", "webdav", folder, "--addr", "127.0.0.1:0", "--dir-cache-time", "0"];
  const server = spawn("rclone", args, {
    env: { ...rcloneEnvironment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const port = await new Promise<string>((resolve, reject) => {
      server.once("exit", () => reject(new Error("rclone serve ended")));
      createInterface(server.stderr).on("line", (line) => {
        const found = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    await work(port);
  } finally {
    server.kill();
    await once(server, "exit");
    fs.rmSync(folder, { recursive: true });
  }
}

test("an rclone that dies is started again", () =>
  withFolder(async (store) => {
    await store.put("index/a", patternBytes(10));
    const programs = childrenOf(process.pid).filter(({ line }) => line.includes("rcd"));
    assert.ok(programs.length > 0);
    for (const { pid } of programs) process.kill(pid, "SIGKILL");
    assert.deepEqual(await store.get("index/a"), patternBytes(10));
  }));

test("nothing runs, and nothing is left, once a store is closed", () =>
  withFolder(async (store) => {
    const others = new Set(fs.readdirSync(tmpdir()));
    const left = () =>
      fs
        .readdirSync(tmpdir())
        .filter((name) => name.startsWith("varve-rclone-") && !others.has(name));
    await store.put("index/a", patternBytes(10));
    assert.equal(left().length, 1);
    await store.close();
    assert.deepEqual(left(), []);
    assert.deepEqual(
      childrenOf(process.pid).filter(({ line }) => line.includes("rcd")),
      [],
    );
  }));

test("no rclone, no such remote, no such place: each with what to do", async () => {
  const fails = async (
    place: string,
    environment: Record<string, string | undefined>,
    code: "system-unsupported" | "store-unreachable",
    words: RegExp,
  ) => {
    const store = new RcloneStore(parseRcloneUrl(`rclone:${place}`), { environment });
    await assert.rejects(store.get("index/a"), (error: Error & { hint?: string }) => {
      assert.ok(coded(code)(error), String(error));
      assert.match(`${error.message} ${error.hint}`, words);
      return true;
    });
    await store.close();
  };
  const none = { ...rcloneEnvironment, VARVE_RCLONE: "/no/such/rclone" };
  await fails("x:y", none, "system-unsupported", /Install rclone/);
  await fails("nonesuch:y", rcloneEnvironment, "store-unreachable", /listremotes/);
});
