/** Two versions of Linux's source, as Debian packs them: 6.1 and the next one that there is. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { output, run } from "../measure.ts";

/**
 * $PEERS/apt is an apt of its own that knows Debian's later suites, where setup-peers.sh made one;
 * otherwise the system's has to do, which has a later kernel in the suite of backports.
 */
function aptEnvironment(): Record<string, string> {
  const { PEERS } = process.env;
  const config = PEERS === undefined ? "" : join(PEERS, "apt/apt.conf");
  return existsSync(config) ? { APT_CONFIG: config } : {};
}

/** The names of the packages of 6.1 and of the next version. */
function packages(env: Record<string, string>): string[] {
  const first = "linux-source-6.1";
  const number = (name: string) => {
    const [major = 0, minor = 0] = name.slice("linux-source-".length).split(".").map(Number);
    return major * 1000 + minor;
  };
  const later = output({ argv: ["apt-cache", "pkgnames", "linux-source-"], env })
    .split("\n")
    .filter((name) => /^linux-source-\d+\.\d+$/.test(name) && number(name) > number(first))
    .sort((a, b) => number(a) - number(b));
  const [next] = later;
  if (next === undefined) {
    throw new Error("apt knows no linux-source later than 6.1: add backports, or set PEERS");
  }
  return [first, next];
}

/** Makes v1 and v2 in `folder`. */
export function makeLinux(folder: string): void {
  const env = aptEnvironment();
  for (const [at, name] of packages(env).entries()) {
    const unpacked = join(folder, "package");
    mkdirSync(unpacked);
    let archive = `/usr/src/${name}.tar.xz`;
    if (!existsSync(archive)) {
      output({ argv: ["apt-get", "download", "-q", name], env, cwd: unpacked });
      const [file = ""] = readdirSync(unpacked);
      run("dpkg", "-x", join(unpacked, file), unpacked);
      archive = join(unpacked, archive);
    }
    const version = join(folder, `v${at + 1}`);
    mkdirSync(version);
    run("tar", "-xf", archive, "-C", version, "--strip-components=1");
    rmSync(unpacked, { recursive: true });
  }
}
