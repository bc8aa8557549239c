/** The errors that stores of every kind share, so that the same case reads the same everywhere. */
import { VarveError } from "../../base/errors.ts";
import { objectBytesMax } from "./store.ts";

export function objectAbsent(name: string, url: string, cause?: unknown): VarveError {
  return new VarveError("object-absent", `The store has no object ${name}.`, {
    hint: "If nothing was removing it just now, run `varve check`.",
    context: { name, store: url },
    cause,
  });
}

/** The object ends before `offset + length`. */
export function objectTooShort(
  name: string,
  url: string,
  expected: { readonly offset: number; readonly length: number },
  size: number,
): VarveError {
  const { offset, length } = expected;
  return new VarveError(
    "object-damaged",
    `Object ${name} has ${size} bytes; ${length} at ${offset} were expected.`,
    {
      hint: "Run `varve check` to see which snapshots are hurt.",
      context: { name, store: url, size, offset, length },
    },
  );
}

/** What a hostile or broken store must not make us allocate. */
export function checkReadSize(name: string, url: string, size: number): void {
  if (size <= objectBytesMax) return;
  throw new VarveError(
    "object-damaged",
    `Object ${name} has ${size} bytes, more than any object of varve.`,
    {
      hint: "Run `varve check` to see which snapshots are hurt.",
      context: { name, store: url, size },
    },
  );
}

export function checkWriteSize(name: string, url: string, size: number): void {
  if (size <= objectBytesMax) return;
  throw new VarveError("limit-exceeded", `Object ${name} would have ${size} bytes.`, {
    hint: `Objects hold at most ${objectBytesMax} bytes; choose a smaller pack size.`,
    context: { name, store: url, size },
  });
}
