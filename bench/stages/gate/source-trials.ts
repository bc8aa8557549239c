/** The stages that read: walk, entries, read, cut. */
import { createCutter } from "../../../src/chunker/cutter.ts";
import { gearTableFromBytes } from "../../../src/chunker/gear-table.ts";
import { treeProfile } from "../../../src/chunker/profiles.ts";
import type { RepositoryKeys } from "../../../src/repo/crypto/keys.ts";
import { OwnerNames } from "../../../src/sources/owners.ts";
import type { SourceEntry } from "../../../src/sources/source-entry.ts";
import { WalkRecords } from "../../../src/sources/walk-records.ts";
import { Keystream } from "../../synthetic.ts";
import { Meter } from "../meter.ts";
import { batchFiles, SmallBatches } from "../small-batches.ts";
import { walkAll } from "../walked.ts";
import type { GateTree } from "./gate-data.ts";
import type { Trial } from "./trial.ts";

/** They are kept, as main keeps them: objects that nobody sees are not made. */
function entriesOf({ records: batches }: GateTree): SourceEntry[] {
  const records = new WalkRecords(new OwnerNames());
  const kept: SourceEntry[] = [];
  for (let times = 0; times < 20; times++) {
    for (const batch of batches) {
      records.begin(batch, 0, batch.byteLength);
      while (records.next()) kept.push(records.entry());
    }
  }
  return kept;
}

function readTrial(tree: GateTree, keys: RepositoryKeys): Trial {
  const reader = new SmallBatches(treeProfile, keys.gearMaterial, new Meter());
  const { files } = tree;
  const run = () => {
    for (let at = 0; at < 2 * files.length; at += batchFiles) {
      const start = at % files.length;
      reader.read(files.slice(start, start + batchFiles));
    }
  };
  return { name: "read", calibration: "files", run };
}

function cutTrial({ gearMaterial }: RepositoryKeys): Trial {
  const bytes = 16 * 1024 * 1024;
  const table = gearTableFromBytes(gearMaterial);
  const cutter = createCutter({ profile: treeProfile, table }, bytes);
  cutter.buffer.set(new Keystream("gate cut").bytes(bytes));
  const run = () => {
    for (let times = 0; times < 3; times++) cutter.cut(0, bytes, true);
  };
  return { name: "cut", calibration: "gear", run };
}

export function sourceTrials(tree: GateTree, keys: RepositoryKeys): Trial[] {
  const walk = () => {
    for (let times = 0; times < 3; times++) walkAll(tree.path, new Meter());
  };
  return [
    { name: "walk", calibration: "names", run: walk },
    { name: "entries", calibration: "objects", run: () => entriesOf(tree) },
    readTrial(tree, keys),
    cutTrial(keys),
  ];
}
