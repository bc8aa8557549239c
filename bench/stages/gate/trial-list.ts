/** All trials of the gate, with what they are measured against. */
import { join } from "node:path";
import { Keystream } from "../../synthetic.ts";
import { benchRepository } from "../bench-repository.ts";
import { Meter } from "../meter.ts";
import { BlobTrials } from "./blob-trials.ts";
import { type Calibrations, calibrations } from "./calibrations.ts";
import { gateChunks, gateTree } from "./gate-data.ts";
import { repositoryTrials } from "./repository-trials.ts";
import { sourceTrials } from "./source-trials.ts";
import type { Trial } from "./trial.ts";

export interface TrialList {
  readonly trials: readonly Trial[];
  readonly against: Calibrations;
  close(): Promise<void>;
}

/** With data in `place`, a folder of its own. */
export async function trialList(place: string): Promise<TrialList> {
  const stream = new Keystream("gate keys");
  const random = (count: number) => stream.bytes(count);
  const repo = await benchRepository(join(place, "repository"), new Meter(), random);
  await repo.loadIndex();
  const tree = gateTree(place);
  const trials = [
    ...sourceTrials(tree, repo.keys),
    ...new BlobTrials(repo, gateChunks(repo.keys)).all(),
    ...repositoryTrials(repo, tree.entries),
  ];
  const paths = tree.files.flatMap(({ target }) => ("path" in target ? [target.path] : []));
  return { trials, against: calibrations(tree.path, paths), close: () => repo.close() };
}
