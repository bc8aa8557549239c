/**
 * A real SSH server for tests: OpenSSH's sshd, run as whoever runs the test, on a port of
 * 127.0.0.1, with keys and settings of its own. Nothing of the system's is read or changed.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { childrenOf } from "./child-processes.ts";
import { removeTree } from "./file-fixtures.ts";

export interface SshdOptions {
  /** Of internal-sftp: `-P posix-rename` takes that away, for example. */
  readonly sftpArguments?: string;
  readonly hostKeyTypes?: readonly string[];
  readonly settings?: readonly string[];
}

const program = "/usr/sbin/sshd";

export class Sshd {
  readonly folder = fs.mkdtempSync(join(tmpdir(), "sshd-"));
  readonly user = userInfo().username;
  port = 0;
  #server: ChildProcess | undefined;
  #log = "";
  readonly #options: SshdOptions;
  readonly #kill = () => this.killAll();

  private constructor(options: SshdOptions) {
    this.#options = options;
  }

  /** The package has to be there: a store that nobody tests is worse than a failed test. */
  static async start(options: SshdOptions = {}): Promise<Sshd> {
    if (!fs.existsSync(program)) {
      throw new Error("There is no sshd: install the package openssh-server.");
    }
    const sshd = new Sshd(options);
    sshd.makeKey("id");
    for (const type of options.hostKeyTypes ?? ["ed25519"]) sshd.makeKey(`host_${type}`, type);
    fs.copyFileSync(sshd.path("id.pub"), sshd.path("authorized_keys"));
    sshd.port = await freePort();
    await sshd.run();
    sshd.writeKnownHosts();
    fs.mkdirSync(sshd.path("data"));
    return sshd;
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** What the server said. */
  get log(): string {
    return this.#log;
  }

  get hostKeyTypes(): readonly string[] {
    return this.#options.hostKeyTypes ?? ["ed25519"];
  }

  /** The public key of the host, as a line of known_hosts has it. */
  hostKey(type = this.hostKeyTypes[0] ?? ""): string {
    const [kind, key] = fs.readFileSync(this.path(`host_${type}.pub`), "utf8").split(" ");
    return `${kind} ${key}`;
  }

  writeKnownHosts(text = `[127.0.0.1]:${this.port} ${this.hostKey()}\n`): void {
    fs.writeFileSync(this.path("known_hosts"), text);
  }

  /** Of a folder below `data`. */
  url(folder: string, parameters = ""): string {
    const place = `sftp://${this.user}@127.0.0.1:${this.port}${this.path("data", folder)}`;
    const login = `known-hosts=${this.path("known_hosts")}&identity=${this.path("id")}`;
    return `${place}?${login}${parameters}`;
  }

  makeKey(name: string, type = "ed25519", passphrase = ""): string {
    const args = ["-q", "-t", type, "-N", passphrase, "-C", "", "-f", this.path(name)];
    execFileSync("ssh-keygen", args);
    return this.path(name);
  }

  /** Starts it, again on the same port. */
  async run(): Promise<void> {
    // Where sshd, run by root, locks its unprivileged half in.
    if (process.getuid?.() === 0) fs.mkdirSync("/run/sshd", { recursive: true });
    fs.writeFileSync(this.path("config"), this.#config());
    const server = spawn(program, ["-D", "-e", "-f", this.path("config")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#server = server;
    process.once("exit", this.#kill);
    await new Promise<void>((resolve, reject) => {
      createInterface(server.stderr).on("line", (line) => {
        this.#log += `${line}\n`;
        if (line.includes("Server listening")) resolve();
      });
      server.once("exit", () => reject(new Error(`sshd ended: ${this.#log}`)));
    });
  }

  /** The server with all its sessions, at once. */
  killAll(): void {
    const pid = this.#server?.pid;
    if (pid === undefined || this.#server?.exitCode !== null) return;
    for (const each of childrenOf(pid)) signal(each.pid, "SIGKILL");
    signal(pid, "SIGKILL");
  }

  /** Its sessions only. */
  killSessions(how: NodeJS.Signals = "SIGKILL"): void {
    for (const { pid } of childrenOf(this.#server?.pid ?? 0)) signal(pid, how);
  }

  async end(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.signalCode !== null || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    this.killAll();
    await ended;
    process.off("exit", this.#kill);
  }

  async stop(): Promise<void> {
    await this.end();
    removeTree(this.folder);
  }

  #config(): string {
    const hostKeys = this.hostKeyTypes.map((type) => `HostKey ${this.path(`host_${type}`)}`);
    return `${[
      `Port ${this.port}`,
      "ListenAddress 127.0.0.1",
      ...hostKeys,
      `AuthorizedKeysFile ${this.path("authorized_keys")}`,
      "StrictModes no",
      "PidFile none",
      "UsePAM no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin prohibit-password",
      "MaxStartups 100",
      `Subsystem sftp internal-sftp ${this.#options.sftpArguments ?? ""}`,
      ...(this.#options.settings ?? []),
    ].join("\n")}\n`;
  }
}

function signal(pid: number, how: NodeJS.Signals): void {
  try {
    process.kill(pid, how);
  } catch {
    // It has ended by itself.
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address === "object" && address !== null) return address.port;
  throw new Error("no port");
}
