/** The work of `varve repair packs`. */
import { VarveError } from "../../base/errors.ts";
import { isHex, type PackId, packId } from "../../base/ids.ts";
import { checkRepository } from "../../engine/check.ts";
import { type RepairedPack, repairPacks } from "../../engine/repair-packs.ts";
import type { Repository } from "../../repo/repository.ts";
import type { CliContext } from "../context.ts";
import { countOf } from "../human.ts";
import { loadIndex } from "../open-repository.ts";
import type { RepairFlags } from "./repair.ts";

export async function runRepairPacks(
  context: CliContext,
  repository: Repository,
  names: readonly string[],
  flags: RepairFlags,
): Promise<void> {
  const { output, signal } = context;
  const dryRun = flags.dryRun === true;
  const named = await resolvePacks(context, repository, names);
  const found = flags.readData === true ? await damagedPacks(context, repository) : [];
  const packs = [...new Set([...named, ...found])];
  const repaired = await repairPacks(repository, {
    packs,
    dryRun,
    signal,
    onPack: ({ pack, saved, elsewhere, lost }) =>
      output.line(
        `pack ${pack.slice(0, 12)}: ${saved} blobs saved, ${elsewhere} elsewhere, ${lost} lost`,
      ),
  });
  const sum = (part: (pack: RepairedPack) => number) =>
    repaired.reduce((total, pack) => total + part(pack), 0);
  const lost = sum((pack) => pack.lost);
  const verb = dryRun ? "Would give up" : "Gave up";
  output.summary(`${verb} ${countOf(repaired.length, "pack")}; ${countOf(lost, "blob")} lost.`);
  if (lost > 0) output.note("A new snapshot stores again what the source still has.");
  output.row({
    dry_run: dryRun,
    packs: repaired.map(({ pack, blobs, saved, elsewhere, lost }) => {
      return { pack, blobs, saved, elsewhere, lost };
    }),
    saved_blobs: sum((pack) => pack.saved),
    lost_blobs: lost,
  });
}

async function damagedPacks(context: CliContext, repository: Repository): Promise<PackId[]> {
  const { damage } = await context.withProgress("read data", (line) =>
    checkRepository(repository, {
      readData: true,
      signal: context.signal,
      onProgress: ({ bytes, bytesTotal }) => line.update({ bytes, bytesTotal }),
    }),
  );
  return damage
    .filter(({ kind }) => kind === "pack")
    .map(({ object }) => object.slice(object.lastIndexOf("/") + 1))
    .filter((name) => isHex(name, 64))
    .map(packId);
}

/** By the beginning of the id, as `check` shows it. */
async function resolvePacks(
  context: CliContext,
  repository: Repository,
  names: readonly string[],
): Promise<PackId[]> {
  if (names.length === 0) return [];
  await loadIndex(context, repository);
  const known = new Set<PackId>();
  for (const { pack } of repository.index.livingPacks()) known.add(pack);
  return names.map((name) => {
    const prefix = name.slice(name.lastIndexOf("/") + 1);
    const fits = [...known].filter((pack) => prefix.length >= 8 && pack.startsWith(prefix));
    const [pack] = fits;
    if (pack !== undefined && fits.length === 1) return pack;
    throw new VarveError("usage", `"${name}" does not name a pack.`, {
      hint: "Give at least 8 digits of the id, as `varve check` shows it.",
    });
  });
}
