/**
 * An rclone of our own, started when it is first needed: its remote control on a port of loopback
 * that it chooses, behind a password that only its environment has.
 *
 * It ends with varve, however varve ends: the shell that watches over it waits for the end of a
 * pipe. It has a process group of its own, so that Ctrl-C leaves it alive for as long as varve
 * tidies up.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline/promises";
import type { Random } from "../../../base/clock.ts";
import { VarveError } from "../../../base/errors.ts";
import { toHex } from "../../../base/ids.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface RunningRclone {
  readonly port: number;
  /** Of HTTP. */
  readonly authorization: string;
  readonly hasEnded: () => boolean;
  /** The last that it said. */
  readonly said: () => string;
  readonly stop: () => Promise<void>;
}

/** Ends rclone when nobody holds the pipe any more; ends when rclone does. */
const watchScript =
  'exec 3<&0; "$@" </dev/null 3<&- & program=$!; ' +
  "(read -r _ <&3; kill $program) 2>/dev/null & watch=$!; " +
  "wait $program; code=$?; kill $watch 2>/dev/null; exit $code";
const startMs = 30_000;
const linesKept = 20;

/**
 * What the place is called inside: names of remotes may hold what has no place in the path of a
 * request ("//", in settings).
 */
export const placeAlias = "varveplace:";

/** Errors: `system-unsupported` without rclone, `store-unreachable` when it does not start. */
export async function startRclone(
  environment: Environment,
  place: string,
  random: Random,
): Promise<RunningRclone> {
  const program = environment["VARVE_RCLONE"] ?? "rclone";
  const password = toHex(random(24));
  const flags = ["--rc-addr", "127.0.0.1:0", "--rc-serve", "--ask-password=false"];
  const child = spawn("/bin/sh", ["-c", watchScript, "sh", program, "rcd", ...flags], {
    env: {
      ...environment,
      RCLONE_RC_USER: "varve",
      RCLONE_RC_PASS: password,
      RCLONE_CONFIG_VARVEPLACE_TYPE: "alias",
      RCLONE_CONFIG_VARVEPLACE_REMOTE: place,
    },
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  const lines: string[] = [];
  const said = () => lines.join("\n");
  const port = await portOf(child, lines).catch((error: unknown) => {
    child.stdin.end();
    throw notStarted(program, child.exitCode, said(), error);
  });
  return {
    port,
    authorization: `Basic ${Buffer.from(`varve:${password}`).toString("base64")}`,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    said,
    stop: () => stopped(child),
  };
}

/** Reads what rclone says for as long as it lives; the first lines have the port. */
function portOf(child: ChildProcess, lines: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("it says no port")), startMs);
    child.once("error", reject);
    child.once("exit", () => reject(new Error("it ended")));
    if (child.stderr === null) return;
    createInterface(child.stderr).on("line", (line) => {
      lines.push(line.slice(0, 500));
      if (lines.length > linesKept) lines.shift();
      const port = /Serving remote control on http:\/\/127\.0\.0\.1:(\d+)\//.exec(line)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
    child.once("exit", () => clearTimeout(timer));
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin?.end();
  await ended;
}

function notStarted(
  program: string,
  code: number | null,
  said: string,
  cause: unknown,
): VarveError {
  // What a shell answers for a program that is not there, or is none.
  if (code === 127 || code === 126) {
    return new VarveError("system-unsupported", `The program ${program} cannot be run.`, {
      hint: "Install rclone, or say with VARVE_RCLONE where it is.",
      context: { program },
      cause,
    });
  }
  return new VarveError("store-unreachable", `${program} does not start: ${said.slice(-500)}`, {
    hint: "Look whether `rclone listremotes` works.",
    context: { program },
    cause,
  });
}
