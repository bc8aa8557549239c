/** A check worker thread: verifies one pack after the other. */
import { workerData } from "node:worker_threads";
import { PackVerifier } from "./check-pack.ts";
import type { CheckWorkerData, PackVerified, VerifyPack } from "./check-protocol.ts";
import { takeTasks } from "./task-port.ts";

const verifier = new PackVerifier((workerData as CheckWorkerData).keys);

/** A rejection ends the worker, and with it the check. */
takeTasks<VerifyPack, PackVerified>(async (task, port) => {
  const answer = await verifier.verify(task);
  const { buffer: memory } = task.bytes;
  const transfer = memory instanceof ArrayBuffer ? [memory] : [];
  port.send({ ...answer, task: task.task, memory }, transfer);
});
