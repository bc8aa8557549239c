/** A restore worker thread: does one task after the other, synchronously. */
import { workerData } from "node:worker_threads";
import { BatchOpener } from "./batch-opener.ts";
import { runCompareTask } from "./restore-compare.ts";
import { runOpenTask } from "./restore-open.ts";
import type { FromRestoreWorker, RestoreWorkerData, ToRestoreWorker } from "./restore-protocol.ts";
import { runWriteTask } from "./restore-writer.ts";
import { takeTasks } from "./task-port.ts";

const { keys } = workerData as RestoreWorkerData;
const opener = new BatchOpener(keys);

takeTasks<ToRestoreWorker, FromRestoreWorker>((task, port) => {
  switch (task.type) {
    case "write": {
      const written = runWriteTask(opener, task);
      port.send(written, [...written.memory]);
      break;
    }
    case "open": {
      const opened = runOpenTask(opener, task);
      port.send(
        opened,
        opened.plaintexts.flatMap((each) => (each === null ? [] : [each.buffer])),
      );
      break;
    }
    case "compare":
      port.send(runCompareTask(keys, task));
      break;
  }
});
