import assert from "node:assert/strict";
import { test } from "node:test";
import { openStore } from "../../../src/repo/store/open-store.ts";
import { parseS3Url } from "../../../src/repo/store/s3/s3-location.ts";
import { S3Store } from "../../../src/repo/store/s3/s3-store.ts";
import { coded } from "../../helpers/store-data.ts";

test("a URL and what it says", () => {
  const plain = parseS3Url("s3://bucket");
  assert.deepEqual([plain.bucket, plain.prefix, plain.url], ["bucket", "", "s3://bucket"]);
  assert.deepEqual([plain.endpoint, plain.pathStyle, plain.requests], [undefined, false, 16]);
  const full = parseS3Url(
    "s3://Bucket_1/a/b%20c/?endpoint=host:9000&region=eu-central-1&path-style=false" +
      "&storage-class=GLACIER_IR&profile=backup&ca=/etc/ca.pem&sse-kms-key-id=abc-1&requests=4" +
      "&object-lock=compliance&object-lock-days=30&limit-upload=2M&limit-download=500K" +
      "&retry-seconds=5&stall-seconds=7",
  );
  assert.deepEqual(full, {
    bucket: "Bucket_1",
    prefix: "a/b c/",
    url: "s3://Bucket_1/a/b c?endpoint=https://host:9000",
    endpoint: "https://host:9000",
    region: "eu-central-1",
    pathStyle: false,
    profile: "backup",
    ca: "/etc/ca.pem",
    storageClass: "GLACIER_IR",
    sse: "aws:kms",
    sseKmsKeyId: "abc-1",
    objectLock: { mode: "COMPLIANCE", days: 30 },
    requests: 4,
    limitUpload: 2 ** 21,
    limitDownload: 500 * 1024,
    retryMs: 5000,
    stallMs: 7000,
  });
});

test("the place is the same however it is written, and whatever else is asked for", async () => {
  const places = [
    "s3://bucket/a?endpoint=https://host/&region=x",
    "S3://bucket/a/?endpoint=https://host&requests=3",
    "s3://bucket/a?requests=4&endpoint=HTTPS://HOST:443",
  ].map((url) => parseS3Url(url).url);
  assert.deepEqual(new Set(places), new Set(["s3://bucket/a?endpoint=https://host"]));
  const store = await openStore("s3://bucket/a?endpoint=http://host");
  assert.ok(store instanceof S3Store);
  assert.equal(store.url, "s3://bucket/a?endpoint=http://host");
  assert.equal(store.isNear, false);
  assert.equal(parseS3Url("s3://b1b/a?endpoint=http://host").pathStyle, true);
});

test("what is no place is refused", () => {
  for (const url of [
    "s3:",
    "s3://",
    "s3:///a",
    "s3:bucket/a",
    "s3://b:99/a",
    "s3://bucket/a//b",
    "s3://bucket/a%0Ab",
    "s3://bucket/%",
    "s3://bucket/a#b",
    `s3://bucket/${"a".repeat(800)}`,
    "s3://bucket/a?unknown=1",
    "s3://bucket/a?region=a&region=b",
    "s3://bucket/a?region=",
    "s3://bucket/a?path-style=yes",
    "s3://bucket/a?endpoint=ftp://host",
    "s3://bucket/a?endpoint=https://host?x",
    "s3://bucket/a?requests=0",
    "s3://bucket/a?requests=1000",
    "s3://bucket/a?limit-upload=fast",
    "s3://bucket/a?sse=on",
    "s3://bucket/a?sse=AES256&sse-kms-key-id=a",
    "s3://bucket/a?object-lock=governance",
    "s3://bucket/a?object-lock-days=3",
    "s3://bucket/a?storage-class=cheap",
  ]) {
    assert.throws(() => parseS3Url(url), coded("usage"), url);
  }
});

test("credentials in a URL are refused, and what to do instead is said", () => {
  for (const url of ["s3://key:secret@bucket/a", "s3://key@bucket"]) {
    assert.throws(
      () => parseS3Url(url),
      (error: unknown) =>
        coded("usage")(error) &&
        /no credentials/.test(error.message) &&
        !/key@|secret@/.test(`${error}`),
    );
  }
});
