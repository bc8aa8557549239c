import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { LocalStore } from "../../../src/repo/store/local-store.ts";
import { openStore } from "../../../src/repo/store/open-store.ts";
import { coded } from "../../helpers/store-data.ts";

test("paths and file URLs are folders, by their absolute path", async () => {
  for (const [url, path] of [
    ["/srv/backup", "/srv/backup"],
    ["/srv/backup/", "/srv/backup"],
    ["backup", resolve("backup")],
    ["./s3:backup", resolve("s3:backup")],
    ["/srv/a:b", "/srv/a:b"],
    ["dir/a:b", resolve("dir/a:b")],
    [".x:y", resolve(".x:y")],
    ["file:///srv/back%20up", "/srv/back up"],
    ["file:///srv/backup/", "/srv/backup"],
    ["FILE:///srv/backup", "/srv/backup"],
  ] as const) {
    const store = await openStore(url);
    assert.ok(store instanceof LocalStore);
    assert.equal(store.url, path, url);
  }
});

test("other schemes are refused, with what to do", async () => {
  for (const url of [
    "",
    "rclone:remote",
    "SFTP://host",
    "a\0b",
    "user@host:/srv",
    "http://host/a",
    "file://host/srv",
    "b2:x",
  ]) {
    await assert.rejects(openStore(url), coded("usage"), url);
  }
  await assert.rejects(openStore("constructor:x"), coded("usage"));
});

test("no password in a URL reaches the message", async () => {
  for (const url of [
    "s3://key:geheim@bucket/a",
    "s3://bucket/a?secret=geheim",
    "s3://bucket/a?endpoint=https://key:geheim@host",
    "s3://bucket/a?region=geheim%20",
    "s3://geheim@/a",
    "https://user:geheim@host/a",
    "file://geheim@h/",
    "sftp://me:geheim@host/a",
    "rclone::ftp,host=h,pass=geheim:a",
    "sftp://me@host/a?password=geheim",
    "sftp://me@host/a?requests=geheim",
  ]) {
    await assert.rejects(
      openStore(url),
      (error: unknown) => !JSON.stringify(error).includes("geheim") && !/geheim/.test(`${error}`),
    );
  }
});
