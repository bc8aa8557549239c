/** What test/fixtures/damaged-v1 says of damage, and doing it to a copy of a golden repository. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { GoldenName } from "./fixture.ts";

export type Mutation =
  | { readonly op: "flip"; readonly object: string; readonly at: number; readonly mask: number }
  | { readonly op: "truncate"; readonly object: string; readonly to: number }
  | { readonly op: "remove"; readonly object: string }
  | { readonly op: "copy"; readonly object: string; readonly to: string }
  | { readonly op: "put"; readonly object: string; readonly base64: string };

export interface DamagedFixture {
  readonly what: string;
  readonly repository: GoldenName;
  readonly mutations: readonly Mutation[];
  /** The code with which opening by the key file fails, or null. */
  readonly open: string | null;
  /**
   * Damage that a check of structure and data tells, as "kind object"; null when it cannot open.
   * Without whole packs whose bases lie in what is damaged.
   */
  readonly check: readonly string[] | null;
  /** Snapshots of which something cannot be restored. */
  readonly hurtSnapshots: number;
}

export function damage(repository: string, mutations: readonly Mutation[]): void {
  for (const mutation of mutations) {
    const path = join(repository, mutation.object);
    if (mutation.op === "remove") rmSync(path);
    else if (mutation.op === "copy") copyFileSync(path, join(repository, mutation.to));
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, changed(mutation, path));
    }
  }
}

function changed(mutation: Mutation & { op: "flip" | "truncate" | "put" }, path: string): Buffer {
  if (mutation.op === "put") return Buffer.from(mutation.base64, "base64");
  const bytes = readFileSync(path);
  if (mutation.op === "truncate") return bytes.subarray(0, mutation.to);
  bytes[mutation.at] = (bytes[mutation.at] as number) ^ mutation.mask;
  return bytes;
}
