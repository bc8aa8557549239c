/**
 * Everything that varve prints. With `--json`, stdout holds JSON only (one object, or one a line
 * for lists) and stderr holds `{"error":…}` at most; else people's text. Nothing but the result is
 * written to stdout, so that it can be piped. Control characters never reach the terminal raw.
 *
 * Text is gathered and written in large pieces. When the reader goes away (EPIPE) the rest is
 * dropped: `onReaderGone` tells commands whose only purpose is output.
 */
import { VarveError } from "../base/errors.ts";
import type { Progress } from "./progress.ts";
import { safeJson, safeText } from "./safe-text.ts";

export interface OutputStream {
  write(text: string | Uint8Array, done?: () => void): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface OutputOptions {
  readonly json: boolean;
  /** Only warnings and errors. */
  readonly quiet: boolean;
  readonly verbose: boolean;
}

const pieceLength = 1 << 16;

export type JsonRow = Readonly<Record<string, unknown>>;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readerGone = false;
  onReaderGone: () => void = () => {};
  /** Drawn on the same terminal; stands aside for text. */
  progress: Progress | undefined;
  #pending = "";

  constructor(stdout: OutputStream, stderr: OutputStream, options: OutputOptions) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.json = options.json;
    this.quiet = options.quiet;
    this.verbose = options.verbose;
    stdout.on("error", (error) => this.#onStdoutError(error));
    // Nobody is left to tell.
    stderr.on("error", () => {});
  }

  /** One line of the result, for people. */
  line(text: string): void {
    if (!this.json) this.#out(`${safeText(text)}\n`);
  }

  lines(texts: readonly string[]): void {
    for (const text of texts) this.line(text);
  }

  /** What was done, in one line; the only line that cron sees. */
  summary(text: string): void {
    if (!this.quiet) this.line(text);
  }

  /** Only with --verbose. */
  detail(text: string): void {
    if (this.verbose && !this.quiet) this.line(text);
  }

  /** One JSON object on one line. */
  row(value: JsonRow): void {
    if (this.json) this.#out(`${safeJson(value)}\n`);
  }

  /** Something worth knowing that is not the result. */
  note(text: string): void {
    if (!this.json && !this.quiet) this.#err(safeText(text));
  }

  /** Something that is not as it should be, though the work goes on. */
  warn(text: string): void {
    if (!this.json) this.#err(`warning: ${safeText(text)}`);
  }

  error(error: unknown): void {
    const { code, message, hint } = describeError(error);
    if (this.json) {
      this.#err(safeJson({ error: { code, message, hint: hint ?? null } }));
      return;
    }
    this.#err(safeText(`varve: ${message}`));
    if (hint !== undefined) this.#err(safeText(`hint: ${hint}`));
    if (this.verbose || code === "internal") this.#err(safeText(causes(error)));
  }

  /** Bytes of a file, as they are. When it resolves, `data` may be used for something else. */
  async bytes(data: Uint8Array): Promise<void> {
    this.flush();
    await new Promise<void>((resolve, reject) => {
      if (this.readerGone) reject(readerGoneError());
      // A failed write is the business of the stream's listener.
      else this.stdout.write(data, () => resolve());
    });
  }

  flush(): void {
    const text = this.#pending;
    this.#pending = "";
    if (text !== "" && !this.readerGone) this.stdout.write(text);
  }

  #out(text: string): void {
    if (this.progress !== undefined && this.stdout.isTTY === true) {
      this.progress.above(text, (above) => this.stdout.write(above));
      return;
    }
    this.#pending += text;
    if (this.#pending.length >= pieceLength) this.flush();
  }

  #err(text: string): void {
    this.flush();
    const write = (above: string) => this.stderr.write(above);
    if (this.progress === undefined) write(`${text}\n`);
    else this.progress.above(`${text}\n`, write);
  }

  #onStdoutError(error: Error): void {
    if (this.readerGone) return;
    this.readerGone = true;
    // Also a full disk below a redirection: the text is lost either way.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") this.#err(`varve: ${error.message}`);
    this.onReaderGone();
  }
}

function readerGoneError(): VarveError {
  return new VarveError("interrupted", "Nobody reads the output any more.");
}

export interface ErrorDescription {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

export function describeError(error: unknown): ErrorDescription {
  if (error instanceof VarveError) {
    return { code: error.code, message: error.message, hint: error.hint };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: "internal",
    message: `Unexpected failure: ${message}`,
    hint: "This is a bug in varve. Please report it with this text.",
  };
}

/** The chain of causes, with stacks of what is not a VarveError. */
function causes(error: unknown): string {
  const lines: string[] = [];
  let cause = error;
  for (let depth = 0; cause !== undefined && cause !== null && depth < 8; depth++) {
    if (cause instanceof VarveError && cause.code !== "internal") {
      const context = Object.entries(cause.context).map(([name, value]) => `${name}=${value}`);
      const facts = context.length === 0 ? "" : ` (${context.join(", ")})`;
      lines.push(`  ${cause.code}: ${cause.message}${facts}`);
    } else {
      lines.push(`  ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
    }
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines.join("\n");
}
