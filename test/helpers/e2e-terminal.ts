/** Runs a program on a terminal of its own, made by python's pty: Node has none. */
import { spawn } from "node:child_process";
import { program } from "./e2e-home.ts";

const script = `
import os, pty, sys
code = pty.spawn(sys.argv[1:], lambda fd: os.read(fd, 65536), lambda fd: os.read(0, 1024))
sys.exit(os.waitstatus_to_exitcode(code))
`;

export interface TerminalRun {
  readonly code: number | null;
  /** What the terminal got, with its escape sequences. */
  readonly shown: string;
}

/**
 * `answers`: what is typed once the text before it was shown. The program is started with a low
 * priority, so that on a busy machine whoever types comes before it ends.
 */
export function onTerminal(
  args: readonly string[],
  options: { env: Record<string, string>; answers?: readonly (readonly [RegExp, string])[] },
): Promise<TerminalRun> {
  const command = ["nice", "-n", "10", process.execPath, program, ...args];
  const child = spawn("python3", ["-c", script, ...command], {
    env: { ...options.env, TERM: "xterm" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = [...(options.answers ?? [])];
  let shown = "";
  let from = 0;
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.stdout.on("data", (chunk: Buffer) => {
      shown += chunk.toString("utf8");
      const [next] = answers;
      if (next?.[0].test(shown.slice(from)) !== true) return;
      from = shown.length;
      answers.shift();
      child.stdin.write(next[1]);
    });
    child.on("close", (code) => {
      if (answers.length > 0) reject(new Error(`Never asked for ${answers[0]?.[0]}:\n${shown}`));
      else resolve({ code, shown });
    });
  });
}
