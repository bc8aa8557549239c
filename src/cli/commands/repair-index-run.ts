/** The work of `varve repair index`. */
import { type FaultyObject, repairIndex } from "../../engine/repair-index.ts";
import type { Repository } from "../../repo/repository.ts";
import type { CliContext } from "../context.ts";
import { countOf } from "../human.ts";
import { safeLine } from "../safe-text.ts";
import type { RepairFlags } from "./repair.ts";

export async function runRepairIndex(
  context: CliContext,
  repository: Repository,
  flags: RepairFlags,
): Promise<void> {
  const { output, signal } = context;
  const dryRun = flags.dryRun === true;
  const result = await context.withProgress("repair index", (line) =>
    repairIndex(repository, {
      all: flags.all === true,
      dryRun,
      signal,
      onProgress: (done, total) => line.update({ steps: { done, total } }),
    }),
  );
  const { damagedIndexObjects, damagedPacks, damagedTombstones, absentPacks } = result;
  const faulty = [...damagedIndexObjects, ...damagedTombstones, ...damagedPacks];
  for (const { object, message } of faulty) output.warn(`${object}: ${safeLine(message)}`);
  for (const pack of absentPacks) output.warn(`pack ${pack.slice(0, 12)} is not there`);
  const packs = countOf(result.addedPacks, "pack");
  const verb = dryRun ? "Would add" : "Added";
  output.summary(
    `${verb} ${packs} (${countOf(result.addedBlobs, "blob")}) to the index; ` +
      `${countOf(damagedIndexObjects.length, "index object")} damaged; ` +
      `${countOf(damagedPacks.length + absentPacks.length, "pack")} damaged or absent.`,
  );
  if (damagedPacks.length + absentPacks.length > 0) {
    output.note("Run `varve check` to see what is hurt, then `varve help repair`.");
  }
  const rows = (objects: readonly FaultyObject[]) =>
    objects.map(({ object, message }) => ({ object, message }));
  output.row({
    dry_run: dryRun,
    added_packs: result.addedPacks,
    added_blobs: result.addedBlobs,
    damaged_index_objects: rows(damagedIndexObjects),
    damaged_tombstones: rows(damagedTombstones),
    damaged_packs: rows(damagedPacks),
    absent_packs: absentPacks,
    written_index_objects: result.writtenIndexObjects,
    removed_index_objects: result.removedIndexObjects,
    tombstones_removed: result.tombstonesRemoved,
  });
}
