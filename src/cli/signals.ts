/**
 * Ctrl-C and its kin. The first signal asks the running operation to stop cleanly by aborting
 * `signal`; the second ends the process at once, and a third would even if that hung, as the
 * system does it. The exit code says which signal it was, as it does in a shell.
 */
import { VarveError } from "../base/errors.ts";
import { exitCodeOf } from "./exit-code.ts";

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface SignalWatch {
  readonly signal: AbortSignal;
  abort(reason: VarveError): void;
  /** Signals do again what they did before, unless one came: then the next still is the second. */
  end(): void;
}

/** `tell` says something to the user, if somebody watches. */
export function watchSignals(tell: (text: string) => void): SignalWatch {
  const controller = new AbortController();
  let stopped: VarveError | undefined;
  const forget = () => {
    for (const name of names) process.off(name, listener);
  };
  const listener = (name: NodeJS.Signals) => {
    const context = { signal: name };
    if (stopped !== undefined) {
      forget();
      tell("\n");
      process.exit(exitCodeOf(new VarveError("interrupted", "Stopped at once.", { context })));
    }
    stopped = new VarveError("interrupted", `Stopped by ${name}.`, { context });
    controller.abort(stopped);
    tell("\nStopping; once more stops at once.\n");
  };
  for (const name of names) process.on(name, listener);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    end: () => {
      if (stopped === undefined) forget();
    },
  };
}
