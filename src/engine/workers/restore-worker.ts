/** A restore worker thread: does one task after the other, synchronously. */
import { invariant } from "../../base/errors.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import { BatchOpener } from "./batch-opener.ts";
import { runCompareTask } from "./restore-compare.ts";
import { runOpenTask } from "./restore-open.ts";
import type { FromRestoreWorker, RestoreTask, ToRestoreWorker } from "./restore-protocol.ts";
import { runWriteTask } from "./restore-writer.ts";
import { type TaskPort, takeTasks } from "./task-port.ts";

let known: { readonly keys: RepositoryKeys; readonly opener: BatchOpener } | undefined;

takeTasks<ToRestoreWorker, FromRestoreWorker>((message, port) => {
  if (message.type === "keys") {
    known = { keys: message.keys, opener: new BatchOpener(message.keys) };
    return;
  }
  invariant(known !== undefined, "keys come before tasks");
  runTask(message, known.keys, known.opener, port);
});

function runTask(
  task: RestoreTask,
  keys: RepositoryKeys,
  opener: BatchOpener,
  port: TaskPort<FromRestoreWorker>,
): void {
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
}
