/** Counts what a restore does, and tells its problems, actions and progress. */
import type { Entry } from "../../base/entry.ts";
import { EntryType } from "../../base/entry.ts";
import { VarveError } from "../../base/errors.ts";
import { type CatalogKey, pathFromKey, type RawPath } from "../../base/raw-path.ts";
import { isFatalFault, type TargetFault } from "../../sources/target/target-faults.ts";
import type { TargetOwners } from "../../sources/target/target-owners.ts";
import type {
  RestoreAction,
  RestoreOptions,
  RestoreProblem,
  RestoreProgress,
  RestoreResult,
} from "./restore-options.ts";

const firstProblemsMax = 100;
/** Remembered, so that reading back does not tell them again. */
const failedPathsMax = 50_000;

const countOf = {
  create: "created",
  replace: "replaced",
  keep: "kept",
  unchanged: "unchanged",
  delete: "deleted",
} as const;

type Counts = {
  -readonly [Name in keyof RestoreResult]: RestoreResult[Name] extends number
    ? RestoreResult[Name]
    : never;
};

export class RestoreReport {
  readonly counts: Omit<Counts, "firstProblems"> = {
    files: 0,
    folders: 0,
    symlinks: 0,
    hardLinks: 0,
    specials: 0,
    bytes: 0,
    created: 0,
    replaced: 0,
    unchanged: 0,
    kept: 0,
    stripped: 0,
    deleted: 0,
    verified: 0,
    failed: 0,
    problems: 0,
    ownersNotGiven: 0,
    setIdsNotGiven: 0,
  };
  readonly #options: RestoreOptions;
  readonly #failedPaths = new Set<RawPath>();
  readonly #firstProblems: RestoreProblem[] = [];
  #phase: RestoreProgress["phase"] = "restore";
  #entries = 0;
  #filesDone = 0;
  #bytesDone = 0;

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  problem(path: RawPath, fault: TargetFault): void {
    const { operation, code, message } = fault;
    const problem = { path, operation, code, message };
    this.counts.problems++;
    if (this.#firstProblems.length < firstProblemsMax) this.#firstProblems.push(problem);
    this.#options.onProblem?.(problem);
  }

  /** Whether this entry's failure was told; false when too many are to be remembered. */
  isKnownFailure(key: CatalogKey): boolean {
    return this.#failedPaths.size > 0 && this.#failedPaths.has(pathFromKey(key));
  }

  /** An entry that is not there as it should be. Throws when no other could be, either. */
  failed(path: RawPath, fault: TargetFault): void {
    this.problem(path, fault);
    if (this.#failedPaths.size < failedPathsMax) this.#failedPaths.add(path);
    this.counts.failed++;
    this.#entries++;
    if (isFatalFault(fault.code)) throw targetFull(fault);
  }

  action(action: RestoreAction["action"], path: () => RawPath): void {
    this.counts[countOf[action]]++;
    this.#options.onAction?.({ action, path: path() });
  }

  /** An entry was made anew. */
  restored(entry: Pick<Entry, "type" | "size">, isFurtherName = false): void {
    const { counts } = this;
    if (isFurtherName) counts.hardLinks++;
    else if (entry.type === EntryType.folder) counts.folders++;
    else if (entry.type === EntryType.symlink) counts.symlinks++;
    else if (entry.type === EntryType.file) {
      counts.files++;
      counts.bytes += entry.size;
    } else counts.specials++;
    this.done(entry);
  }

  /** An entry needs no more work. */
  done(entry: Pick<Entry, "type" | "size">): void {
    this.#entries++;
    if (entry.type === EntryType.file) {
      this.#filesDone++;
      this.#bytesDone += entry.size;
    }
    this.#tell();
  }

  startVerify(): void {
    this.#phase = "verify";
    [this.#entries, this.#filesDone, this.#bytesDone] = [0, 0, 0];
  }

  result(owners: Pick<TargetOwners, "notGiven" | "setIdsNotGiven">): RestoreResult {
    const { notGiven: ownersNotGiven, setIdsNotGiven } = owners;
    const firstProblems = this.#firstProblems;
    return { ...this.counts, ownersNotGiven, setIdsNotGiven, firstProblems };
  }

  #tell(): void {
    this.#options.onProgress?.({
      phase: this.#phase,
      entries: this.#entries,
      files: this.#filesDone,
      bytes: this.#bytesDone,
    });
  }
}

function targetFull(fault: TargetFault): VarveError {
  return new VarveError("target-full", `The restore target takes no more: ${fault.message}.`, {
    hint: "Make room, or choose another target; --overwrite if-changed goes on where this ended.",
    context: { code: fault.code },
  });
}
