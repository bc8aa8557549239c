/**
 * The memory that a kernel works in: a WebAssembly memory on a SharedArrayBuffer, so that files are
 * read straight into it and other threads see the same bytes. Sized by the caller, fixed for life.
 *
 *     0       2 KiB            64 KiB (dataOffset)
 *     | table | chunk lengths  | data ...
 */
import { invariant } from "../base/errors.ts";
import { gearTableBytes } from "./gear-table.ts";

const pageBytes = 65_536;
/** What gear.wasm declares (scripts/build.mjs). */
const pagesMax = 16_384;

/** Where the kernel writes the lengths of one call, 4 bytes each. */
export const lengthsOffset = gearTableBytes;
/** Where data starts in the memory's buffer, in bytes. */
export const dataOffset = pageBytes;
export const lengthsMax = (dataOffset - lengthsOffset) / 4;

export interface KernelMemory {
  readonly memory: WebAssembly.Memory;
  /** Everything behind `dataOffset`; at least the bytes that were asked for. */
  readonly data: Uint8Array<SharedArrayBuffer>;
}

/** Reserves memory for `dataBytes` bytes of data (below 1 GiB); pages are used once touched. */
export function createKernelMemory(dataBytes: number): KernelMemory {
  const pages = dataOffset / pageBytes + Math.ceil(dataBytes / pageBytes);
  invariant(pages <= pagesMax, `${dataBytes} bytes of kernel memory`);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return { memory, data: new Uint8Array(memory.buffer, dataOffset) };
}
