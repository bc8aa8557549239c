/** Removing many objects, at the lower price that some stores have for it. */
import type { Store } from "./store.ts";

export async function deleteAll(store: Store, names: readonly string[]): Promise<void> {
  if (store.deleteMany !== undefined) await store.deleteMany(names);
  else for (const name of names) await store.delete(name);
}
