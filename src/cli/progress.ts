/**
 * Progress on a terminal: one line, redrawn at most ten times a second by cli-progress. There is
 * none without a terminal, so cron mails nothing. The rate is that of the last ten seconds.
 */
import type { Clock } from "../base/clock.ts";
import { formatBytes, formatCount, formatDuration } from "./human.ts";
import type { OutputStream } from "./output.ts";
import { safeLine } from "./safe-text.ts";
import { shorten, textWidth } from "./table.ts";

export interface ProgressState {
  /** What is being done, where one operation has several phases. */
  readonly phase?: string;
  /** Where the work is counted in steps. */
  readonly steps?: { readonly done: number; readonly total: number };
  readonly bytes?: number;
  /** Absent while nobody knows. */
  readonly bytesTotal?: number;
  readonly files?: number;
  /** Already fit for display. */
  readonly current?: string;
}

export interface Progress {
  update(state: ProgressState): void;
  /** Prints text above the line. */
  above(text: string, write: (text: string) => void): void;
  stop(): void;
}

export const noProgress: Progress = {
  update: () => {},
  above: (text, write) => write(text),
  stop: () => {},
};

const rateWindowMs = 10_000;

/** Bytes a second over the last ten seconds. */
export class RateMeter {
  readonly #samples: { readonly ms: number; readonly bytes: number }[] = [];

  add(ms: number, bytes: number): void {
    const last = this.#samples.at(-1);
    // A sample each quarter second is plenty.
    if (last !== undefined && ms - last.ms < 250) return;
    this.#samples.push({ ms, bytes });
    while ((this.#samples[1]?.ms ?? ms) < ms - rateWindowMs) this.#samples.shift();
  }

  /** Undefined until there is a second to look back on. */
  perSecond(ms: number, bytes: number): number | undefined {
    const first = this.#samples[0];
    if (first === undefined || ms - first.ms < 1000) return undefined;
    return ((bytes - first.bytes) * 1000) / (ms - first.ms);
  }
}

/** "snapshot  0:12  45%  1.2 GiB of 2.7 GiB  12,345 files  98 MiB/s  ETA 0:16  path". */
export function progressLine(
  label: string,
  state: ProgressState,
  elapsedMs: number,
  bytesPerSecond: number | undefined,
  width: number,
): string {
  const parts = [state.phase ?? label, formatDuration(elapsedMs)];
  if (state.steps !== undefined) {
    parts.push(`${formatCount(state.steps.done)} of ${formatCount(state.steps.total)}`);
  }
  if (state.bytes !== undefined) {
    parts.push(...byteParts(state.bytes, state.bytesTotal, bytesPerSecond));
  }
  if (state.files !== undefined) parts.splice(4, 0, `${formatCount(state.files)} files`);
  const line = shorten(parts.join("  "), width);
  const room = width - textWidth(line) - 2;
  if (state.current === undefined || room < 10) return line;
  return `${line}  ${shorten(safeLine(state.current), room)}`;
}

function byteParts(bytes: number, total: number | undefined, perSecond: number | undefined) {
  const parts: string[] = [];
  if (total !== undefined && total > 0) {
    parts.push(`${Math.min(100, Math.floor((bytes / total) * 100))}%`);
    parts.push(`${formatBytes(bytes)} of ${formatBytes(total)}`);
  } else {
    parts.push(formatBytes(bytes));
  }
  if (perSecond === undefined) return parts;
  parts.push(`${formatBytes(perSecond)}/s`);
  if (total !== undefined && perSecond > 0) {
    parts.push(`ETA ${formatDuration((Math.max(0, total - bytes) / perSecond) * 1000)}`);
  }
  return parts;
}

export interface ProgressOptions {
  /** Nothing is drawn before the first update: there may be nothing to wait for. */
  readonly waits?: boolean;
}

/** Draws on `stream`, which must be a terminal. */
export async function startProgress(
  stream: OutputStream,
  clock: Clock,
  label: string,
  { waits = false }: ProgressOptions = {},
): Promise<Progress> {
  const { default: cliProgress } = await import("cli-progress");
  const startedMs = clock.monotonicMs();
  let rate = new RateMeter();
  let state: ProgressState = {};
  const format = () => {
    const ms = clock.monotonicMs();
    const bytes = state.bytes ?? 0;
    rate.add(ms, bytes);
    const perSecond = rate.perSecond(ms, bytes);
    return progressLine(label, state, ms - startedMs, perSecond, (stream.columns || 80) - 1);
  };
  // MultiBar, since SingleBar comes back to where it began and would overwrite text above.
  const bar = new cliProgress.MultiBar({
    format,
    stream: stream as unknown as NodeJS.WritableStream,
    fps: 10,
    hideCursor: false,
    clearOnComplete: true,
    gracefulExit: false,
    // The mode of the terminal stays as it is, so nothing has to be put right after `kill -9`.
    linewrap: true,
    // What is shown is the state, whenever it is drawn.
    forceRedraw: true,
    emptyOnZero: true,
  });
  let isDrawn = false;
  const draw = () => {
    if (!isDrawn) bar.create(1, 0);
    isDrawn = true;
    bar.update();
  };
  if (!waits) draw();
  return {
    update: (next) => {
      const isNews = next.phase !== state.phase || !isDrawn;
      // Another phase counts other bytes.
      if (isNews) rate = new RateMeter();
      state = next;
      // At once: the work that follows may leave no room for the clock that draws.
      if (isNews) draw();
    },
    above: (text, write) => {
      if (isDrawn) stream.write("\r\x1b[K");
      write(text);
    },
    stop: () => {
      if (isDrawn) bar.stop();
    },
  };
}
