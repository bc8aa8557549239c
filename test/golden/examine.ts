/** What the product says of a golden repository that was damaged. */
import { VarveError } from "../../src/base/errors.ts";
import { checkRepository } from "../../src/engine/check.ts";
import type { Repository } from "../../src/repo/repository.ts";
import { openGolden, withGolden } from "./fixture.ts";
import { type DamagedFixture, damage } from "./mutations.ts";

export type Findings = Pick<DamagedFixture, "open" | "check" | "hurtSnapshots">;

export function examine(
  fixture: Pick<DamagedFixture, "repository" | "mutations">,
  also: (repo: Repository, work: string) => Promise<void> = async () => {},
): Promise<Findings> {
  return withGolden(fixture.repository, async (repository, work) => {
    damage(repository, fixture.mutations);
    let repo: Repository;
    try {
      repo = await openGolden(repository, work);
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      return { open: error.code, check: null, hurtSnapshots: 0 };
    }
    const report = await checkRepository(repo, { readData: true, threads: 1 });
    await also(repo, work);
    await repo.close();
    // Not told of: a pack that is as it should be, and stands on another that is not.
    const own = report.damage.filter(({ message }) => !message.includes("stands on another"));
    const check = own.map(({ kind, object }) => `${kind} ${object}`).sort();
    return { open: null, check, hurtSnapshots: report.hurtSnapshots.length };
  });
}
