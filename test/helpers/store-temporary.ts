/** Local stores in a folder of their own, for as long as a test runs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalStore, type LocalStoreOptions } from "../../src/repo/store/local-store.ts";

export interface TemporaryStore {
  readonly store: LocalStore;
  readonly folder: string;
  readonly remove: () => Promise<void>;
}

/** The repository folder is there, and empty. */
export async function temporaryStore(options: LocalStoreOptions = {}): Promise<TemporaryStore> {
  const folder = await mkdtemp(join(tmpdir(), "varve-store-"));
  const store = new LocalStore(folder, options);
  return { store, folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
