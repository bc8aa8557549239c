/**
 * The worker's side of a pool: takes tasks until it is told to end. It ends by itself, between two
 * tasks. A thread that is terminated from outside while it is in native code, or still loads some,
 * takes the whole process with it: Node-API cannot throw there, and koffi aborts.
 */
import { parentPort } from "node:worker_threads";
import { invariant } from "../../base/errors.ts";

/** What a pool sends last. */
export const endOfTasks = null;

export interface TaskPort<From> {
  send(message: From, transfer?: ArrayBuffer[]): void;
}

/** Sets the tasks going to `take`; what it throws, or rejects with, ends the worker. */
export function takeTasks<To, From>(
  take: (task: To, port: TaskPort<From>) => void | Promise<void>,
): void {
  invariant(parentPort !== null, "this module runs in a worker thread");
  const port = parentPort;
  const answers: TaskPort<From> = {
    send: (message, transfer = []) => port.postMessage(message, transfer),
  };
  port.on("message", (task: To | typeof endOfTasks) => {
    if (task === endOfTasks) {
      port.close();
      return undefined;
    }
    return take(task, answers);
  });
}
