/**
 * One kernel memory divided into slots, for data that several threads share: the main thread reads
 * and cuts slot k + 1 while workers hash the chunks of slot k where they lie. `buffer` goes to the
 * workers once; after that a chunk travels as its offset and length.
 *
 * When a slot is free again is the caller's to know.
 */
import { invariant } from "../base/errors.ts";
import { createKernelMemory, dataOffset, type KernelMemory } from "./kernel-memory.ts";

export interface SlotMemory extends KernelMemory {
  readonly buffer: SharedArrayBuffer;
  readonly slotCount: number;
  readonly slotBytes: number;
}

export function createSlotMemory(slotCount: number, slotBytes: number): SlotMemory {
  invariant(slotCount > 0 && slotBytes > 0, `${slotCount} slots of ${slotBytes} bytes`);
  const kernelMemory = createKernelMemory(slotCount * slotBytes);
  return { ...kernelMemory, buffer: kernelMemory.memory.buffer, slotCount, slotBytes };
}

/** Where a slot starts in `buffer`, in bytes. */
export function slotOffset(slots: SlotMemory, slot: number): number {
  invariant(slot >= 0 && slot < slots.slotCount, `slot ${slot} of ${slots.slotCount}`);
  return dataOffset + slot * slots.slotBytes;
}
