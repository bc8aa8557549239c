/** rclone for tests, with a configuration of their own. */
import { spawnSync } from "node:child_process";
import { parseRcloneUrl, RcloneStore } from "../../src/repo/store/rclone/rclone-store.ts";

/** What rclone is run with: nothing of the user's remotes. */
export const rcloneEnvironment = {
  PATH: process.env["PATH"],
  RCLONE_CONFIG: "/dev/null",
};

/** The package has to be there: a store that nobody tests is worse than a failed test. */
export function requireRclone(): void {
  if (spawnSync("rclone", ["version"]).status === 0) return;
  throw new Error("There is no rclone: install the package rclone.");
}

export function rcloneStore(place: string): RcloneStore {
  requireRclone();
  return new RcloneStore(parseRcloneUrl(`rclone:${place}`), { environment: rcloneEnvironment });
}
