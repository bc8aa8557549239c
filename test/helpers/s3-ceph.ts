/**
 * Real Ceph for tests: one monitor, one disk of its own kind and the S3 gateway, on ports of
 * 127.0.0.1 that nobody uses, in a folder that is removed. The programs come from
 * scripts/install-ceph.sh, and run with their own loader and libraries, as any user.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import fs from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeTree } from "./file-fixtures.ts";

export interface Ceph {
  readonly endpoint: string;
  readonly tlsEndpoint: string;
  /** The authority of `tlsEndpoint`, a file. */
  readonly ca: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly stop: () => Promise<void>;
}

export const cephMissing =
  "Ceph is not installed (scripts/install-ceph.sh does it, on Debian): " +
  "only the small S3 server of test/ was used";

/** Its root folder; undefined where it is not installed. */
export function cephRoot(): string | undefined {
  const caches = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const root = join(process.env["VARVE_TEST_CACHE"] ?? join(caches, "varve-test"), "ceph");
  return fs.existsSync(join(root, "usr/bin/radosgw")) ? root : undefined;
}

/** Errors tell where the logs are, which stay then. */
export async function startCeph(root: string): Promise<Ceph> {
  const cluster = new Cluster(root);
  try {
    return await cluster.start();
  } catch (error) {
    await cluster.end();
    throw new Error(`Ceph did not start; see ${cluster.folder}.`, { cause: error });
  }
}

class Cluster {
  readonly folder = fs.mkdtempSync(join(tmpdir(), "ceph-"));
  readonly #root: string;
  readonly #libraries: string;
  readonly #loader: string;
  readonly #daemons: ChildProcess[] = [];
  readonly #stopped = new AbortController();
  readonly #kill = () => this.#daemons.map((daemon) => daemon.kill("SIGKILL"));

  constructor(root: string) {
    this.#root = root;
    const place = join(root, "usr/lib");
    const name = fs.readdirSync(place).find((each) => each.endsWith("-linux-gnu")) ?? "";
    this.#libraries = join(place, name);
    const loader = fs.readdirSync(this.#libraries).find((each) => each.startsWith("ld-linux"));
    this.#loader = join(this.#libraries, loader ?? "no loader");
    process.once("exit", this.#kill);
  }

  async start(): Promise<Ceph> {
    const [monitor = 0, plain = 0, tls = 0] = await freePorts(3);
    const id = randomUUID();
    this.#makeCertificate();
    fs.writeFileSync(this.#path("ceph.conf"), this.#config(id, monitor, plain, tls));
    await this.#startMonitor(id, monitor);
    await this.#startDisk();
    await this.#makeUser();
    this.#daemon("radosgw", "-n", "client.rgw");
    await connectable(plain);
    return {
      endpoint: `http://127.0.0.1:${plain}`,
      tlsEndpoint: `https://127.0.0.1:${tls}`,
      ca: this.#path("cert.pem"),
      accessKey: "test",
      secretKey: "testsecret",
      stop: async () => {
        await this.end();
        removeTree(this.folder);
      },
    };
  }

  /** The gateway would take half a minute to leave, and nothing is to be kept. */
  async end(): Promise<void> {
    const ended = this.#daemons.map(
      (daemon) =>
        new Promise((resolve) => {
          if (daemon.exitCode !== null || daemon.signalCode !== null) resolve(undefined);
          else daemon.once("exit", resolve);
        }),
    );
    this.#kill();
    await Promise.all(ended);
    process.off("exit", this.#kill);
  }

  async #startMonitor(id: string, port: number): Promise<void> {
    const address = `[v2:127.0.0.1:${port}]`;
    const map = this.#path("monmap");
    await this.#run("monmaptool", "--create", "--fsid", id, "--addv", "a", address, map);
    await this.#run("ceph-mon", ...this.#conf(), "--mkfs", "-i", "a", "--monmap", map);
    this.#daemon("ceph-mon", "-i", "a");
  }

  async #startDisk(): Promise<void> {
    const id = randomUUID();
    fs.mkdirSync(this.#path("osd"));
    await this.#ceph("osd", "new", id);
    await this.#run("ceph-osd", ...this.#conf(), "-i", "0", "--mkfs", "--osd-uuid", id);
    await this.#ceph("osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost");
    this.#daemon("ceph-osd", "-i", "0");
  }

  async #makeUser(): Promise<void> {
    const user = ["--uid=test", "--display-name=test"];
    await this.#admin("user", "create", ...user, "--access-key=test", "--secret-key=testsecret");
    const placement = ["--placement-id", "default-placement", "--storage-class", "STANDARD_IA"];
    const group = ["--rgw-zonegroup", "default"];
    await this.#admin("zonegroup", "placement", "add", ...group, ...placement);
    const pool = ["--rgw-zone", "default", "--data-pool", "default.rgw.buckets.data"];
    await this.#admin("zone", "placement", "add", ...pool, ...placement);
  }

  #admin(...args: string[]): Promise<void> {
    return this.#run("radosgw-admin", ...this.#conf(), ...args);
  }

  #ceph(...args: string[]): Promise<void> {
    return this.#run("python3", join(this.#root, "usr/bin/ceph"), ...this.#conf(), ...args);
  }

  #conf(): string[] {
    return ["-c", this.#path("ceph.conf")];
  }

  #path(name: string): string {
    return join(this.folder, name);
  }

  #daemon(name: string, ...args: string[]): void {
    const daemon = this.#spawn(name, [...this.#conf(), ...args, "-f"]);
    // Whoever talks to it would wait for long.
    daemon.once("exit", (code) => this.#stopped.abort(new Error(`${name} ended: ${code}`)));
    this.#daemons.push(daemon);
  }

  async #run(name: string, ...args: string[]): Promise<void> {
    const child = this.#spawn(name, args);
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(120_000)]);
    const end = () => child.kill("SIGKILL");
    signal.addEventListener("abort", end);
    const code = await new Promise((resolve) => child.once("exit", resolve));
    signal.removeEventListener("abort", end);
    this.#stopped.signal.throwIfAborted();
    if (code !== 0) throw new Error(`${name} ${args.join(" ")}: ${code}`);
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const log = fs.openSync(this.#path("log"), "a");
    const libraries = [this.#libraries, join(this.#libraries, "ceph")].join(":");
    const program = join(this.#root, "usr/bin", name);
    const all = ["--inhibit-cache", "--library-path", libraries, program, ...args];
    const env = {
      PATH: process.env["PATH"],
      HOME: this.folder,
      PYTHONHOME: join(this.#root, "usr"),
      PYTHONDONTWRITEBYTECODE: "1",
    };
    const child = spawn(this.#loader, all, { env, stdio: ["ignore", log, log], cwd: this.folder });
    fs.closeSync(log);
    return child;
  }

  #makeCertificate(): void {
    const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
    const args =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 " +
      `-subj /CN=localhost -addext ${names} -keyout key.pem -out cert.pem`;
    const config = join(this.#root, "etc/ssl/openssl.cnf");
    const all = ["--library-path", this.#libraries, join(this.#root, "usr/bin/openssl")];
    const { status, stderr } = spawnSync(this.#loader, [...all, ...args.split(" ")], {
      cwd: this.folder,
      env: { OPENSSL_CONF: config },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`openssl: ${stderr}`);
  }

  #config(id: string, monitor: number, plain: number, tls: number): string {
    const front =
      `beast endpoint=127.0.0.1:${plain} ssl_endpoint=127.0.0.1:${tls} tcp_nodelay=1 ` +
      `ssl_certificate=${this.#path("cert.pem")} ssl_private_key=${this.#path("key.pem")}`;
    return `[global]
fsid = ${id}
mon_host = v2:127.0.0.1:${monitor}
mon_initial_members = a
public_network = 127.0.0.0/8
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_class_dir = ${this.#libraries}/rados-classes
plugin_dir = ${this.#libraries}/ceph
erasure_code_dir = ${this.#libraries}/ceph/erasure-code
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
run_dir = ${this.folder}
admin_socket = ${this.folder}/$name.asok
log_file = ${this.folder}/$name.log
crash_dir = ${this.folder}
setuser_match_path =
[mon]
mon_data = ${this.folder}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 0
[osd]
osd_data = ${this.folder}/osd
osd_objectstore = bluestore
bluestore_block_size = 17179869184
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
osd_memory_target = 939524096
osd_op_num_shards = 2
osd_pg_log_dups_tracked = 100
[client.rgw]
rgw_frontends = ${front}
rgw_thread_pool_size = 32
rgw_enable_usage_log = false
rgw_crypt_require_ssl = false
ms_mon_client_mode = crc
`;
  }
}

/** Held all at once, so that none comes twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) ports.push(address.port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

async function connectable(port: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error(`nobody listens on ${port}`);
}
