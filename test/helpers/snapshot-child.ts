/**
 * A program that makes one snapshot in a process of its own, over a repository in FOLDER, and
 * prints the problems and the result. usage: snapshot-child FOLDER ROOT OPTIONS, where OPTIONS is
 * JSON: `uid`: the user to become; `killAfterPacks`: after how many stored packs to die by SIGKILL.
 */
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/base/clock.ts";
import type { SnapshotProblem } from "../../src/engine/snapshot.ts";
import { openRepository } from "../../src/repo/repository.ts";
import { FaultStore } from "../../src/repo/store/fault-store.ts";
import { LocalStore } from "../../src/repo/store/local-store.ts";
import type { Store } from "../../src/repo/store/store.ts";
import { takeSnapshot } from "./snapshot-runs.ts";
import { testHost, testSecret } from "./test-repository.ts";

export interface ChildOptions {
  readonly uid?: number;
  readonly killAfterPacks?: number;
}

export interface ChildReport {
  readonly problems: readonly SnapshotProblem[];
  readonly counted: number;
}

/** Ends the process when so many packs are stored and the cache was told of them. */
class Killing extends FaultStore {
  #left: number;

  constructor(inner: Store, packs: number) {
    super(inner);
    this.#left = packs;
  }

  override async put(name: string, data: Uint8Array): Promise<void> {
    const isPack = name.startsWith("packs/");
    if (isPack && this.#left === 0) process.kill(process.pid, "SIGKILL");
    await super.put(name, data);
    if (isPack && --this.#left === 0) {
      setImmediate(() => process.kill(process.pid, "SIGKILL"));
    }
  }
}

async function main([folder = "", root = "", json = "{}"]: readonly string[]): Promise<void> {
  const { uid, killAfterPacks } = JSON.parse(json) as ChildOptions;
  if (uid !== undefined) {
    process.setgroups?.([]);
    process.setgid?.(uid);
    process.setuid?.(uid);
  }
  const folderStore = new LocalStore(join(folder, "repository"));
  const store =
    killAfterPacks === undefined ? folderStore : new Killing(folderStore, killAfterPacks);
  const repo = await openRepository({
    store,
    cacheDir: join(folder, "cache"),
    clock: systemClock,
    random: systemRandom,
    host: { ...testHost, pid: process.pid },
    secret: testSecret,
  });
  const problems: SnapshotProblem[] = [];
  const onProblem = (problem: SnapshotProblem) => problems.push(problem);
  const { snapshot } = await takeSnapshot(repo, root, { onProblem });
  await repo.close();
  const report: ChildReport = { problems, counted: snapshot.problems };
  console.log(JSON.stringify(report));
}

await main(process.argv.slice(2));
