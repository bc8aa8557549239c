/** Reading without holding up the thread: for large files, which the main thread reads. */
import { read } from "node:fs";
import { promisify } from "node:util";

const readOnce = promisify(read);

/**
 * Fills `buffer` from `position` of the file on; returns the bytes read, fewer than the buffer
 * has only at the end of the file. The buffer may lie on shared memory.
 */
export async function readIntoAsync(
  fd: number,
  buffer: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await readOnce(fd, buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
