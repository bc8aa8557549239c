/** Does an open task: plaintexts that may be handed over, so on buffers of their own. */
import { VarveError } from "../../base/errors.ts";
import type { BatchOpener } from "./batch-opener.ts";
import type { Opened, OpenTask } from "./restore-protocol.ts";

export function runOpenTask(opener: BatchOpener, task: OpenTask): Opened {
  const open = opener.start(task.batch, { lend: false });
  const plaintexts = Array.from(task.wanted, (blob) => {
    try {
      return ownBuffer(open(blob));
    } catch (error) {
      if (error instanceof VarveError) return null;
      throw error;
    }
  });
  return { type: "opened", task: task.task, plaintexts };
}

/** Small Buffers share a pool, which must not be handed over. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) {
    return new Uint8Array(buffer);
  }
  return Uint8Array.from(bytes);
}
