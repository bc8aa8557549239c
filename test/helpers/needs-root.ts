/** What only root can do, and is left out for everybody else, by name. */
import { test } from "node:test";

/** As `skip` takes it; false for root. */
export const needsRoot =
  process.getuid?.() === 0
    ? false
    : "only root makes devices, gives files away and becomes other users";

export function rootTest(name: string, body: () => void | Promise<void>): void {
  test(name, { skip: needsRoot }, body);
}
