/** What goes wrong behind SSH: strangers, locked doors, dead and silent servers, poor ones. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { type ErrorCode, VarveError } from "../../../src/base/errors.ts";
import { parseSftpUrl } from "../../../src/repo/store/sftp/sftp-location.ts";
import { SftpStore, type SftpStoreOptions } from "../../../src/repo/store/sftp/sftp-store.ts";
import { needsRoot } from "../../helpers/needs-root.ts";
import { Sshd, type SshdOptions } from "../../helpers/sftp-server.ts";
import { coded, listAll, patternBytes } from "../../helpers/store-data.ts";

let sshd: Sshd;
let count = 0;
before(async () => {
  sshd = await Sshd.start({ hostKeyTypes: ["ed25519", "rsa"] });
});
after(() => sshd.stop());

async function withStore(
  work: (store: SftpStore, folder: string) => Promise<void>,
  {
    parameters = "&retry-seconds=3",
    url = "",
    server = sshd,
    ...options
  }: {
    parameters?: string;
    url?: string;
    server?: Sshd;
  } & SftpStoreOptions = {},
): Promise<void> {
  const folder = `f${count++}`;
  const location = parseSftpUrl(url === "" ? server.url(folder, parameters) : url);
  const store = new SftpStore(location, { create: true, ...options });
  try {
    await work(store, server.path("data", folder));
  } finally {
    await store.close();
  }
}

async function withServer(
  options: SshdOptions,
  work: (server: Sshd) => Promise<void>,
): Promise<void> {
  const server = await Sshd.start(options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

const failsWith = (call: Promise<unknown>, code: ErrorCode, hint: RegExp) =>
  assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof VarveError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(`${error.message} ${error.hint}`, hint);
    return true;
  });

const place = (parameters: string) =>
  `sftp://${sshd.user}@127.0.0.1:${sshd.port}${sshd.path("data/x")}?${parameters}`;

test("an unknown host is told with the command that adds it, which does", async () => {
  const file = sshd.path("nobody");
  fs.writeFileSync(file, "");
  const url = place(`known-hosts=${file}&identity=${sshd.path("id")}`);
  let hint = "";
  await withStore(
    async (store) => {
      await assert.rejects(store.get("index/a"), (error: unknown) => {
        assert.ok(coded("store-untrusted")(error));
        assert.match((error as VarveError).message, /SHA256:/);
        hint = (error as VarveError).hint ?? "";
        return true;
      });
    },
    { url },
  );
  const command = /ssh-keyscan .*/.exec(hint)?.[0] ?? "";
  execFileSync("sh", ["-c", command], { stdio: "ignore" });
  await withStore((store) => assert.rejects(store.get("index/a"), coded("object-absent")), { url });
});

test("a host that shows another key than before is not talked to", async () => {
  const other = fs.readFileSync(`${sshd.makeKey("other")}.pub`, "utf8");
  const file = sshd.path("stale");
  const url = place(`known-hosts=${file}&identity=${sshd.path("id")}`);
  const name = `[127.0.0.1]:${sshd.port}`;
  for (const [line, words] of [
    [`${name} ${other}`, /is not the one in/],
    [`@revoked * ${sshd.hostKey()}\n${name} ${sshd.hostKey()}\n`, /is revoked/],
  ] as const) {
    fs.writeFileSync(file, line);
    await withStore((store) => failsWith(store.get("index/a"), "store-untrusted", words), { url });
  }
});

test("a host with several keys shows the one that is known", async () => {
  fs.writeFileSync(sshd.path("rsa"), `[127.0.0.1]:${sshd.port} ${sshd.hostKey("rsa")}\n`);
  const url = place(`known-hosts=${sshd.path("rsa")}&identity=${sshd.path("id")}`);
  await withStore((store) => assert.rejects(store.get("index/a"), coded("object-absent")), { url });
});

test("keys: from the home, with a passphrase, by an agent; and who has none is told", async () => {
  const home = sshd.path("home");
  fs.mkdirSync(`${home}/.ssh`, { recursive: true });
  fs.copyFileSync(sshd.path("known_hosts"), `${home}/.ssh/known_hosts`);
  const absent = (environment: Record<string, string>, parameters = "") =>
    withStore((store) => assert.rejects(store.get("index/a"), coded("object-absent")), {
      url: place(parameters),
      environment: { HOME: home, ...environment },
    });
  const refused = (words: RegExp, environment: Record<string, string>, parameters = "") =>
    withStore((store) => failsWith(store.get("index/a"), "store-credentials", words), {
      url: place(parameters),
      environment: { HOME: home, ...environment },
    });
  await refused(/There is no key/, {});
  const locked = sshd.makeKey("home/.ssh/id_ed25519", "ed25519", "geheim");
  await refused(/it has a passphrase/, {});
  await refused(/the passphrase is wrong/, { VARVE_SSH_PASSPHRASE: "wrong" }, `identity=${locked}`);
  const secret = { VARVE_SSH_PASSPHRASE: "geheim" };
  await refused(/does not let .* in/, secret);
  fs.appendFileSync(sshd.path("authorized_keys"), fs.readFileSync(`${locked}.pub`));
  await absent(secret);
  fs.writeFileSync(sshd.path("passphrase"), "geheim\n");
  await absent({ VARVE_SSH_PASSPHRASE_FILE: sshd.path("passphrase") });
  await absent({}, `identity=${locked}&passphrase-file=${sshd.path("passphrase")}`);
  await refused(/it has a passphrase/, {}, `identity=${locked}`);
  const agent = await startAgent(sshd.path("id"));
  try {
    await absent({ SSH_AUTH_SOCK: agent.socket });
    await absent({ SSH_AUTH_SOCK: agent.socket }, `identity=${locked}`);
  } finally {
    agent.child.kill();
  }
});

async function startAgent(key: string): Promise<{ socket: string; child: ChildProcess }> {
  const socket = sshd.path("agent");
  const child = spawn("ssh-agent", ["-D", "-a", socket], { stdio: ["ignore", "pipe", "ignore"] });
  await once(child.stdout, "data");
  execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return { socket, child };
}

test("files that were named and are not there are usage", async () => {
  for (const parameters of ["known-hosts=/no/such", `identity=/no/such`]) {
    await withStore((store) => failsWith(store.get("index/a"), "usage", /no\/such/), {
      url: place(parameters),
      environment: { HOME: "/nowhere" },
    });
  }
});

test("hosts that are not there are given up inside the budget", async () => {
  const gone = await Sshd.start();
  const url = gone.url("a", "&retry-seconds=1");
  await gone.end();
  const began = performance.now();
  await withStore((store) => failsWith(store.get("index/a"), "store-unreachable", /listens/), {
    url,
  });
  assert.ok(performance.now() - began < 10_000);
  await gone.stop();
});

test("a lost connection is made again, and what was under way is done again", () =>
  withServer({}, (server) =>
    withStore(
      async (store) => {
        await store.put("index/a", patternBytes(10));
        const data = patternBytes(8_000_000);
        const puts = Array.from({ length: 6 }, (_, at) => store.put(`packs/aa/${at}`, data));
        server.killSessions();
        await Promise.all(puts);
        server.killSessions();
        assert.deepEqual(await store.get("packs/aa/5"), data);
        assert.equal((await listAll(store, "packs")).length, 6);
      },
      { server, parameters: "&retry-seconds=20" },
    ),
  ));

test("a server that ends for good is told inside the budget, and every call settles", () =>
  withServer({}, (server) =>
    withStore(
      async (store) => {
        await store.put("index/a", patternBytes(10));
        const data = patternBytes(20_000_000);
        const puts = Array.from({ length: 6 }, (_, at) => store.put(`packs/aa/${at}`, data));
        server.killAll();
        const began = performance.now();
        for (const put of await Promise.allSettled(puts)) {
          assert.equal(put.status, "rejected");
          assert.ok(coded("store-unreachable")(put.reason), String(put.reason));
        }
        await assert.rejects(store.get("index/a"), coded("store-unreachable"));
        assert.ok(performance.now() - began < 12_000);
      },
      { server, parameters: "&retry-seconds=2" },
    ),
  ));

test("a server that stands still is left, and an abort does not wait for it", () =>
  withServer({}, (server) =>
    withStore(
      async (store) => {
        await store.put("index/a", patternBytes(10));
        server.killSessions("SIGSTOP");
        const controller = new AbortController();
        const put = store.put("packs/aa/a", patternBytes(5_000_000), {
          signal: controller.signal,
        });
        setTimeout(() => controller.abort(new Error("enough")), 100);
        const began = performance.now();
        await assert.rejects(put, /enough/);
        assert.ok(performance.now() - began < 2500);
        // Another connection is made once this one has been silent for too long.
        assert.deepEqual(await store.get("index/a"), patternBytes(10));
        assert.ok(performance.now() - began >= 2900);
      },
      { server, parameters: "&retry-seconds=20&stall-seconds=3" },
    ),
  ));

test("a server without extensions keeps objects whole as well as it can", () =>
  withServer({ sftpArguments: "-P posix-rename,fsync,hardlink,statvfs,limits" }, (server) =>
    withStore(
      async (store, folder) => {
        for (const length of [100_000, 10, 70_000, 0]) {
          await store.put("sessions/a", patternBytes(length, length));
          assert.deepEqual(await store.get("sessions/a"), patternBytes(length, length));
        }
        await store.putIfAbsent("index/a", patternBytes(5));
        await store.putIfAbsent("index/a", patternBytes(6));
        assert.deepEqual(await store.get("index/a"), patternBytes(5));
        await store.delete("index/a");
        await store.close();
        const names = fs.readdirSync(folder, { recursive: true });
        assert.deepEqual(names.sort(), ["index", "sessions", "sessions/a"]);
      },
      { server },
    ),
  ));

test("temporary files of crashed puts are swept, and young ones stay", () =>
  withStore(async (store, folder) => {
    await store.put("packs/aa/a", patternBytes(10));
    const old = `${folder}/packs/aa/.tmp-${"0".repeat(32)}`;
    const young = `${folder}/packs/.tmp-${"1".repeat(32)}`;
    for (const path of [old, young, `${folder}/.tmp-other`]) fs.writeFileSync(path, "x");
    fs.utimesSync(old, 1, 1);
    fs.utimesSync(`${folder}/.tmp-other`, 1, 1);
    assert.equal(await store.sweepTemporary(3_600_000), 1);
    assert.deepEqual(fs.readdirSync(`${folder}/packs/aa`), ["a"]);
    assert.ok(fs.existsSync(young));
  }));

test("deleteMany, and what lies there besides objects", () =>
  withStore(async (store, folder) => {
    const names = Array.from({ length: 200 }, (_, at) => `packs/${at % 5}/${at}`);
    await Promise.all(names.map((name) => store.put(name, patternBytes(3))));
    await store.deleteMany([...names.slice(50), "packs/none/a"]);
    assert.equal((await listAll(store, "packs")).length, 50);
    fs.writeFileSync(`${folder}/packs/.DS_Store`, "x");
    fs.writeFileSync(`${folder}/packs/UPPER`, "x");
    assert.equal((await listAll(store, "packs")).length, 50);
    fs.symlinkSync("/etc/passwd", `${folder}/packs/link`);
    await assert.rejects(listAll(store, "packs"), coded("store-unreachable"));
  }));

test("without a folder, and not to make it: nothing is made", () =>
  withStore(
    async (store, folder) => {
      await assert.rejects(store.put("index/a", patternBytes(1)), coded("store-unreachable"));
      assert.ok(!fs.existsSync(folder));
      assert.equal(await store.sweepTemporary(0), 0);
    },
    { create: false },
  ));

test("a full disk and denied folders are told as such", { skip: needsRoot }, async () => {
  const disk = sshd.path("data/disk");
  fs.mkdirSync(disk);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
  try {
    await withStore(
      async (store) => {
        await store.put("index/a", patternBytes(1000));
        const put = store.put("packs/aa/a", patternBytes(4_000_000));
        await failsWith(put, "store-full", /Make room/);
        assert.deepEqual(await listAll(store, "packs"), []);
      },
      { url: sshd.url("disk") },
    );
    await withStore(
      async (store) => {
        execFileSync("mount", ["-o", "remount,ro", disk]);
        const put = store.put("index/b", patternBytes(1));
        await assert.rejects(put, coded("store-denied", "store-unreachable"));
      },
      { url: sshd.url("disk") },
    );
  } finally {
    execFileSync("umount", ["-l", disk]);
  }
});

test("bytes a second are kept to in both directions, without being taken for a stall", () =>
  withStore(
    async (store) => {
      const data = patternBytes(100_000);
      const timed = async (work: Promise<unknown>) => {
        const start = performance.now();
        await work;
        return performance.now() - start;
      };
      assert.ok((await timed(store.put("packs/aa/a", data))) > 1500);
      assert.ok((await timed(store.get("packs/aa/a"))) > 1500);
    },
    { parameters: "&limit-upload=50K&limit-download=50K&stall-seconds=1" },
  ));
