/** Asks for a password on a terminal, without showing it. */
import { VarveError } from "../base/errors.ts";

export interface PromptTerminal {
  readonly input: NodeJS.ReadableStream & {
    isTTY?: boolean;
    setRawMode?(raw: boolean): unknown;
    unref?(): unknown;
  };
  readonly output: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Whether there is somebody to ask: both ends are a terminal. */
export function canPrompt(terminal: PromptTerminal): boolean {
  return terminal.input.isTTY === true && terminal.output.isTTY === true;
}

const enter = /[\r\n]/;
const ctrlC = "\x03";
const ctrlD = "\x04";
const ctrlU = "\x15";
const erase = new Set(["\x7f", "\b"]);

/** The line typed, without its end. Ctrl-C is `interrupted`. */
export async function promptPassword(terminal: PromptTerminal, question: string): Promise<string> {
  const { input, output } = terminal;
  // Before the question is there to be answered: the terminal echoes what is typed until then.
  input.setRawMode?.(true);
  output.write(question);
  input.resume();
  try {
    return await readHidden(input);
  } finally {
    input.setRawMode?.(false);
    input.pause();
    output.write("\n");
  }
}

function readHidden(input: PromptTerminal["input"]): Promise<string> {
  const decoder = new TextDecoder();
  const typed: string[] = [];
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      input.off("data", onData);
      input.off("end", onEnd);
      finish();
    };
    const onEnd = () => settle(() => resolve(typed.join("")));
    const onData = (data: Buffer | string) => {
      for (const letter of decoder.decode(Buffer.from(data), { stream: true })) {
        if (letter === ctrlC) {
          settle(() => reject(new VarveError("interrupted", "Stopped at the password prompt.")));
          return;
        }
        if (enter.test(letter) || letter === ctrlD) {
          onEnd();
          return;
        }
        if (erase.has(letter)) typed.pop();
        else if (letter === ctrlU) typed.length = 0;
        else typed.push(letter);
      }
    };
    input.on("data", onData);
    input.on("end", onEnd);
  });
}
