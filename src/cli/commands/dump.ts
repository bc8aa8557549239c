/** `varve dump`: one file, or a folder as an archive, to standard output. */

import { VarveError } from "../../base/errors.ts";
import { displayPath } from "../../base/raw-path.ts";
import type { DumpProblem } from "../../engine/dump.ts";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { snapshotKey } from "../path-arguments.ts";
import { choice } from "./option-values.ts";
import { addFilterOptions, type FilterOptions } from "./snapshot-filter.ts";

const archiveChoices = ["tar", "zip"] as const;

interface DumpFlags extends FilterOptions {
  readonly archive?: (typeof archiveChoices)[number];
}

export const define: Define = (command, run) => {
  command
    .description("Write one file of a snapshot, or a folder as an archive, to standard output.")
    .argument("<snapshot>", "id, latest or latest~N")
    .argument("<path>", "the file or folder")
    .addOption(
      choice(
        "-a, --archive <format>",
        "write a folder, or any entry, as an archive",
        archiveChoices,
      ),
    )
    .addHelpText(
      "after",
      `
Examples:
  varve dump latest /etc/fstab
  varve dump latest db.sql | psql restored
  varve dump latest~1 /var/www --archive tar | tar -tv`,
    );
  addFilterOptions(command);
  command.action(run<DumpFlags>(dump));
};

async function dump(
  context: CliContext,
  [name, path = ""]: readonly string[],
  flags: DumpFlags,
): Promise<undefined> {
  const { output, signal, globals } = context;
  if (flags.archive !== undefined && output.stdout.isTTY === true) {
    throw new VarveError("usage", "An archive is not written to a terminal.", {
      hint: `Send it to a file or a program: varve dump … > folder.${flags.archive}`,
    });
  }
  const [{ loadIndex, withRepository }, { dumpArchive, dumpFile }, { chooseSnapshot }] =
    await Promise.all([
      import("../open-repository.ts"),
      import("../../engine/dump.ts"),
      import("./selection.ts"),
    ]);
  await withRepository(context, async ({ repository }) => {
    const record = chooseSnapshot(context, await repository.snapshots(), { ...flags, name });
    await loadIndex(context, repository);
    const key = snapshotKey(path);
    const write = (bytes: Uint8Array) => output.bytes(bytes);
    const options = {
      signal,
      ...(globals.threads === undefined ? {} : { threads: globals.threads }),
      onProblem: (problem: DumpProblem) =>
        output.warn(`${displayPath(problem.path)}: ${problem.message}`),
    };
    if (flags.archive === undefined) await dumpFile(repository, record, key, write, options);
    else await dumpArchive(repository, record, key, flags.archive, write, options);
  });
}
