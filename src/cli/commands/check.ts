/** `varve check`: is everything there, and is every byte of it right? */

import { VarveError } from "../../base/errors.ts";
import { type CalendarDuration, parseCalendarDuration } from "../../engine/retention-period.ts";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { parseSize, parseSubset, type Share } from "../size-parse.ts";

export interface CheckFlags {
  readonly readData?: boolean;
  readonly readDataSubset?: Exclude<Share, { kind: "unlimited" }>;
  readonly maxAge?: CalendarDuration;
  readonly budget?: number;
}

export const define: Define = (command, run) => {
  command
    .description(
      "Verify the repository. Without options: that every blob of every snapshot is in a pack " +
        "of the right size. With --read-data also that every stored byte is right.",
    )
    .option("--read-data", "read and verify all data")
    .option(
      "--read-data-subset <share>",
      "read and verify a part: 5% or 2G by chance, 1/7 for one of seven",
      parseSubset,
    )
    .option(
      "--max-age <duration>",
      "read what was not verified for so long, like 30d",
      parseCalendarDuration,
    )
    .option("--budget <size>", "of that read at most so much, the oldest first", parseSize)
    .addHelpText(
      "after",
      `
Examples:
  varve check
  varve check --read-data
  varve check --max-age 30d --budget 20G     every night: all is read once a month, evenly spread

Damage is reported as the snapshots and paths that are hurt; the exit code is then 4. What to do
about it: varve help repair`,
    );
  command.action(run<CheckFlags>(check));
};

async function check(
  context: CliContext,
  _args: readonly string[],
  flags: CheckFlags,
): Promise<undefined> {
  if (flags.readData === true && flags.readDataSubset !== undefined) {
    throw new VarveError("usage", "Give --read-data or --read-data-subset, not both.");
  }
  const { withRepository } = await import("../open-repository.ts");
  const { runCheck } = await import("./check-run.ts");
  await withRepository(context, ({ repository }) => runCheck(context, repository, flags), {
    freshCache: true,
  });
}
