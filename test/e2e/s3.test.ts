/**
 * The program on object stores: a repository's life on the small server and on Ceph, and what
 * users meet when something is wrong.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, test } from "node:test";
import { E2eHome, told } from "../helpers/e2e-home.ts";
import { type Ceph, cephMissing, cephRoot, startCeph } from "../helpers/s3-ceph.ts";
import { makeBucket } from "../helpers/s3-place.ts";
import { SmallS3 } from "../helpers/s3-server.ts";

const bucket = "varve-e2e";

/** A home whose repository is at `url`, not made yet, and a source with some data. */
function homeAt(url: string): E2eHome {
  const home = new E2eHome();
  home.env["VARVE_REPO"] = url;
  home.env["VARVE_PASSWORD_FILE"] = home.path("key");
  home.env["AWS_ACCESS_KEY_ID"] = "test";
  home.env["AWS_SECRET_ACCESS_KEY"] = "testsecret";
  // Hosts without credentials would look for those of a cloud's machine.
  home.env["AWS_EC2_METADATA_DISABLED"] = "true";
  home.secrets.push("testsecret");
  fs.mkdirSync(home.path("source"));
  fs.writeFileSync(home.path("source/small"), "small");
  fs.writeFileSync(home.path("source/large"), noise(3_000_000, 1));
  return home;
}

/** Bytes that do not compress. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes.writeInt32LE(state ^ (state >>> 15), at);
  }
  return bytes;
}

async function withS3(
  work: (home: E2eHome, server: SmallS3) => Promise<void>,
  parameters = "&retry-seconds=1",
): Promise<void> {
  const server = await SmallS3.start({
    pageMax: 5,
    users: {
      test: { secret: "testsecret" },
      keeper: { secret: "keepersecret", mayDelete: false },
    },
  });
  server.bucket(bucket);
  const home = homeAt(`s3://${bucket}/repo?endpoint=${server.endpoint}${parameters}`);
  try {
    await work(home, server);
  } finally {
    home.remove();
    await server.stop();
  }
}

const makeArgs = (home: E2eHome) => ["init", "--new-key-file", home.path("key")];

/** From `init` to `prune`. */
async function lifeOf(home: E2eHome): Promise<void> {
  const source = home.path("source");
  await home.ok(makeArgs(home));
  await home.ok(["snapshot", source]);
  fs.writeFileSync(home.path("source/large"), noise(3_000_000, 2));
  await home.ok(["snapshot", source]);
  const rows = await home.rows(["snapshots"]);
  assert.equal(rows.length, 2);
  const target = home.path("target");
  await home.ok(["restore", "--target", target]);
  assert.deepEqual(fs.readFileSync(`${target}${source}/large`), noise(3_000_000, 2));
  assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  await home.ok(["forget", String(rows[0]?.["id"] ?? "latest~1")]);
  assert.equal((await home.rows(["snapshots"])).length, 1);
  const before = await home.row(["stats"]);
  await home.ok(["prune"]);
  const after = await home.row(["stats"]);
  assert.notDeepEqual(after, before, "prune gave space back");
  // Nothing of this home is known to a host that has only the key.
  home.env["VARVE_CACHE_DIR"] = home.path("other-cache");
  assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  await home.ok(["restore", "--target", home.path("again")]);
}

test("a repository's life on the small server", () =>
  withS3(async (home, server) => {
    await lifeOf(home);
    const keys = [...server.bucket(bucket).objects.keys()];
    assert.ok(keys.every((key) => key.startsWith("repo/")));
    assert.deepEqual(
      keys.filter((key) => key.startsWith("repo/sessions/")),
      [],
    );
  }));

const root = cephRoot();
const missingReason = root === undefined ? cephMissing : false;
describe("Ceph", { skip: missingReason }, () => {
  let ceph: Ceph;
  before(async () => {
    ceph = await startCeph(root ?? "");
    await makeBucket(ceph, bucket);
  });
  after(() => ceph.stop());
  const withCeph = async (place: string, work: (home: E2eHome) => Promise<void>) => {
    const home = homeAt(place);
    try {
      await work(home);
    } finally {
      home.remove();
    }
  };

  test("a repository's life, over TLS", () =>
    withCeph(`s3://${bucket}/tls?endpoint=${ceph.tlsEndpoint}&ca=${ceph.ca}`, lifeOf));

  test("a repository's life, with another storage class for packs", () =>
    withCeph(`s3://${bucket}/plain?endpoint=${ceph.endpoint}&storage-class=STANDARD_IA`, lifeOf));

  test("certificates that nobody vouches for, TLS where there is none, wrong keys", () =>
    withCeph(`s3://${bucket}/tls?endpoint=${ceph.tlsEndpoint}`, async (home) => {
      const { hint } = await home.fails(makeArgs(home), "store-untrusted", 1);
      assert.match(hint ?? "", /ca=/);
      home.env["VARVE_REPO"] =
        `s3://${bucket}/a?retry-seconds=1&endpoint=${ceph.endpoint.replace("http:", "https:")}`;
      await home.fails(makeArgs(home), "store-unreachable", 1);
      home.env["VARVE_REPO"] = `s3://${bucket}/a?endpoint=${ceph.endpoint}`;
      home.env["AWS_SECRET_ACCESS_KEY"] = "another";
      await home.fails(makeArgs(home), "store-credentials", 1);
      home.env["AWS_SECRET_ACCESS_KEY"] = "testsecret";
      home.env["VARVE_REPO"] = `s3://no-such-bucket/a?endpoint=${ceph.endpoint}`;
      await home.fails(makeArgs(home), "store-absent", 1);
    }));
});

test("wrong credentials, none, a missing bucket, nobody there: each is told apart", () =>
  withS3(async (home, server) => {
    await home.ok(makeArgs(home));
    for (const args of [["snapshots"], makeArgs(home), ["snapshot", home.path("source")]]) {
      const with_ = (env: Record<string, string | undefined>) => ({ env });
      const wrong = with_({ AWS_SECRET_ACCESS_KEY: "wrong" });
      await home.fails(args, "store-credentials", 1, wrong);
      await home.fails(args, "store-credentials", 1, with_({ AWS_ACCESS_KEY_ID: "nobody" }));
      const none = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" };
      await home.fails(args, "store-credentials", 1, with_(none));
      const elsewhere = `s3://elsewhere/repo?endpoint=${server.endpoint}`;
      await home.fails(args, "store-absent", 1, with_({ VARVE_REPO: elsewhere }));
      const nowhere = `s3://${bucket}/repo?endpoint=http://127.0.0.1:1&retry-seconds=1`;
      await home.fails(args, "store-unreachable", 1, with_({ VARVE_REPO: nowhere }));
    }
    const other = { env: { VARVE_REPO: `s3://${bucket}/other?endpoint=${server.endpoint}` } };
    await home.fails(["snapshots"], "repo-absent", 10, other);
    await home.fails(makeArgs(home), "repo-exists", 1);
    const secretInUrl = { env: { VARVE_REPO: `s3://test:testsecret@${bucket}/repo` } };
    await home.fails(["snapshots"], "usage", 2, secretInUrl);
  }));

test("a server that stops amid a snapshot: a clear end, and the next run takes it up", () =>
  withS3(async (home, server) => {
    await home.ok([...makeArgs(home), "--pack-size", "1M"]);
    fs.writeFileSync(home.path("source/large"), noise(12_000_000, 3));
    let packs = 0;
    server.before = ({ key, method }) => {
      if (method !== "PUT" || !key.includes("/packs/") || ++packs !== 4) return undefined;
      void server.stop();
      return "handled";
    };
    const args = ["--json", "snapshot", home.path("source")];
    const run = await home.run(args);
    assert.equal(run.code, 1, told(args, run));
    assert.equal(
      JSON.parse(run.err.trim().split("\n").at(-1) ?? "").error.code,
      "store-unreachable",
    );
    const { port, buckets } = server;
    const again = await SmallS3.start({ port, buckets });
    try {
      await home.ok(["snapshot", home.path("source")]);
      assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
    } finally {
      await again.stop();
    }
  }));

test("an interruption does not wait for a server that stands still", () =>
  withS3(async (home, server) => {
    await home.ok(makeArgs(home));
    let interrupt = () => {};
    let interruptedMs = 0;
    server.before = ({ method, key }) => {
      if (method !== "PUT" || !key.includes("/packs/")) return undefined;
      interrupt();
      return "handled";
    };
    const run = home.start(["snapshot", home.path("source")]);
    interrupt = () => {
      // A second signal would end it at once.
      interrupt = () => {};
      interruptedMs = performance.now();
      run.child.kill("SIGINT");
    };
    const { code, err } = await run.done;
    assert.equal(code, 130, err);
    const took = performance.now() - interruptedMs;
    assert.ok(took < 30_000, `${took} ms, less than a stall takes to be noticed`);
    const { objects } = server.bucket(bucket);
    assert.deepEqual(
      [...objects.keys()].filter((key) => key.includes("/sessions/")),
      [],
    );
  }, ""));

test("credentials that may not delete make snapshots, and delete nothing", () =>
  withS3(async (home, server) => {
    await home.ok(makeArgs(home));
    const keeper = {
      env: { AWS_ACCESS_KEY_ID: "keeper", AWS_SECRET_ACCESS_KEY: "keepersecret" },
    };
    home.secrets.push("keepersecret");
    const indexObjects = () =>
      [...server.bucket(bucket).objects.keys()].filter((key) => key.includes("/index/")).length;
    // Index objects are joined, beside their parts, and by this host not again.
    for (let round = 0; round < 11; round++) {
      fs.writeFileSync(home.path("source/small"), `round ${round}`);
      const run = await home.ok(["snapshot", home.path("source")], keeper);
      assert.equal(run.err, "", "nothing to complain of");
    }
    assert.equal(indexObjects(), 12);
    assert.equal((await home.rows(["snapshots"], 0, keeper)).length, 11);
    assert.match((await home.ok(["check", "--read-data"], keeper)).out, /No damage/);
    await home.fails(["forget", "latest"], "store-denied", 1, keeper);
    const count = server.bucket(bucket).objects.size;
    await home.run(["prune"], keeper);
    assert.ok(server.bucket(bucket).objects.size >= count);
    assert.equal((await home.rows(["snapshots"])).length, 11);
    await home.ok(["prune"]);
    assert.ok(indexObjects() < 5, "whoever may delete joins them");
    assert.match((await home.ok(["check", "--read-data"])).out, /No damage/);
  }));

test("a repository in a folder does not pay for object stores", async () => {
  const home = new E2eHome();
  try {
    await home.makeRepository();
    const trace = home.path("trace.mjs");
    const hook =
      "export async function resolve(name, context, next) {" +
      ' if (/aws-sdk|s3-store/.test(name)) throw new Error("loads " + name);' +
      " return next(name, context); }";
    const url = `data:text/javascript,${encodeURIComponent(hook)}`;
    fs.writeFileSync(trace, `import { register } from "node:module"; register("${url}");`);
    const options = { env: { NODE_OPTIONS: `--import=${trace}` } };
    await home.ok(["snapshots"], options);
    const s3 = ["--repo", "s3://bucket/a?endpoint=http://127.0.0.1:1", "snapshots"];
    assert.match((await home.run(s3, options)).err, /loads /, "others do load them");
  } finally {
    home.remove();
  }
});
