/** Errors that say something of stored bytes, as values. */
import type { VarveError } from "../../base/errors.ts";
import { isLoss } from "../../repo/blob-reader.ts";

export type Attempt<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: VarveError };

/** Turns what says that stored bytes are wrong or absent into a value; other errors are thrown. */
export async function attempt<T>(run: () => T | Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await run() };
  } catch (error) {
    if (isLoss(error)) return { error };
    throw error;
  }
}
