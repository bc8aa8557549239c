import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSftpUrl } from "../../../src/repo/store/sftp/sftp-location.ts";
import { coded } from "../../helpers/store-data.ts";

test("host, user, port and folder", () => {
  for (const [text, user, host, port, path, url] of [
    ["sftp://h/srv/b", undefined, "h", 22, "/srv/b", "sftp://h/srv/b"],
    ["sftp://me@h:22/srv/b/", "me", "h", 22, "/srv/b", "sftp://me@h/srv/b"],
    ["sftp://me@h:2222/b", "me", "h", 2222, "/b", "sftp://me@h:2222/b"],
    ["sftp://me%40home@h/b%20c", "me@home", "h", 22, "/b c", "sftp://me%40home@h/b c"],
    ["sftp://me@h/~/b/c", "me", "h", 22, "b/c", "sftp://me@h/~/b/c"],
    ["sftp://me@h/~", "me", "h", 22, ".", "sftp://me@h/~"],
    ["sftp://[::1]:23/b", undefined, "::1", 23, "/b", "sftp://[::1]:23/b"],
  ] as const) {
    const location = parseSftpUrl(text);
    assert.equal(location.user, user);
    assert.equal(location.host, host);
    assert.equal(location.port, port);
    assert.equal(location.path, path);
    assert.equal(location.url, url);
  }
});

test("parameters, and what holds without them", () => {
  const none = parseSftpUrl("sftp://h/b");
  assert.deepEqual(
    [none.requests, none.retryMs, none.stallMs, none.limitUpload, none.identity],
    [8, 900_000, 60_000, undefined, undefined],
  );
  const all = parseSftpUrl(
    "sftp://h/b?identity=/k&known-hosts=/h&passphrase-file=/p&requests=3&limit-upload=2M" +
      "&limit-download=500K&retry-seconds=0&stall-seconds=5",
  );
  assert.deepEqual([all.identity, all.knownHosts, all.passphraseFile], ["/k", "/h", "/p"]);
  assert.deepEqual([all.requests, all.retryMs, all.stallMs], [3, 0, 5000]);
  assert.deepEqual([all.limitUpload, all.limitDownload], [2 ** 21, 512_000]);
  assert.equal(all.url, "sftp://h/b");
});

test("what is not understood is refused, and not repeated", () => {
  for (const text of [
    "sftp://h",
    "sftp://h/",
    "sftp:///b",
    "sftp://h//b",
    "sftp://h/b#geheim",
    "sftp://h/b%",
    "sftp://h/b%0a",
    "sftp://-oUser=x/b",
    "sftp://me:geheim@h/b",
    "sftp://h/b?password=geheim",
    "sftp://h/b?requests=geheim",
    "sftp://h/b?requests=1&requests=2",
  ]) {
    assert.throws(
      () => parseSftpUrl(text),
      (error) => coded("usage")(error) && !`${error}${(error as Error).stack}`.includes("geheim"),
      text,
    );
  }
});
