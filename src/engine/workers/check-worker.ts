/** A check worker thread: verifies packs and blobs, one task after the other. */
import { workerData } from "node:worker_threads";
import { BatchOpener } from "./batch-opener.ts";
import { unopenedBlobs } from "./check-blobs.ts";
import { PackVerifier } from "./check-pack.ts";
import type { CheckWorkerData, FromCheckWorker, ToCheckWorker } from "./check-protocol.ts";
import { type TaskPort, takeTasks } from "./task-port.ts";

const { keys } = workerData as CheckWorkerData;
const verifier = new PackVerifier(keys);
const opener = new BatchOpener(keys);

/** A rejection ends the worker, and with it the check. */
takeTasks<ToCheckWorker, FromCheckWorker>((task, port) =>
  task.type === "pack" ? verify(task, port) : open(task, port),
);

async function verify(
  task: ToCheckWorker & { type: "pack" },
  port: TaskPort<FromCheckWorker>,
): Promise<void> {
  const answer = await verifier.verify(task);
  const { buffer: memory } = task.bytes;
  const transfer = memory instanceof ArrayBuffer ? [memory] : [];
  port.send({ ...answer, type: "pack", task: task.task, memory }, transfer);
}

function open(
  { task, batch, count }: ToCheckWorker & { type: "blobs" },
  port: TaskPort<FromCheckWorker>,
): void {
  const unopened = unopenedBlobs(opener, batch, count);
  const memory = batch.segments.map(({ buffer }) => buffer);
  port.send({ type: "blobs", task, memory, unopened }, memory);
}
