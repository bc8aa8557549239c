/** `varve snapshot`: snapshots files and folders. */
import type { Command } from "commander";
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import type { ExitCode } from "../exit-code.ts";
import type { OpenedRepository } from "../open-repository.ts";
import { parseCount, parseSize } from "../size-parse.ts";
import { collect, notEmpty, splitTags } from "./option-values.ts";

export interface SnapshotFlags {
  readonly exclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly excludeCaches?: boolean;
  readonly excludeIfPresent?: readonly string[];
  readonly excludeLargerThan?: number;
  readonly oneFileSystem?: boolean;
  readonly tag?: readonly string[];
  readonly host?: string;
  readonly series?: string;
  readonly time?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly ignoreCtime?: boolean;
  readonly ignoreInode?: boolean;
  readonly skipIfUnchanged?: boolean;
  readonly compression?: number;
}

export const define: Define = (command, run) => {
  command
    .description(
      "Snapshot files and folders. Only what the repository does not have yet is stored. " +
        "Without --repo, the first snapshot makes a repository in your data folder, and a key " +
        "file for it.",
    )
    .argument("<paths...>", "files and folders; patterns like '/var/www/*/upload' are allowed");
  addExcludeOptions(command);
  addSnapshotOptions(command);
  command.action(run<SnapshotFlags>(snapshot));
};

function addExcludeOptions(command: Command): void {
  command
    .option(
      "-e, --exclude <pattern>",
      "leave out what fits (repeatable); `varve help patterns`",
      collect,
    )
    .option("--exclude-file <file>", "patterns from a file, one a line (repeatable)", collect)
    .option("--exclude-caches", "leave out the content of folders that have a CACHEDIR.TAG")
    .option(
      "--exclude-if-present <name>",
      "leave out the content of folders that have this file (repeatable)",
      collect,
    )
    .option("--exclude-larger-than <size>", "leave out larger files", parseSize)
    .option("-x, --one-file-system", "do not go into other file systems");
}

function addSnapshotOptions(command: Command): void {
  command
    .option(
      "--tag <tag[,tag…]>",
      "give the snapshot tags (repeatable)",
      (text, before?: string[]) => [...(before ?? []), ...splitTags(text)],
    )
    .option("--host <name>", "name of the host it is of (default: this one)", notEmpty)
    .option(
      "--series <name>",
      "name of the series it belongs to (default: host and paths)",
      notEmpty,
    )
    .option("--time <time>", "the time that it carries (default: now); see `varve help time`")
    .option("-n, --dry-run", "store nothing, say what would be stored")
    .option("-f, --force", "read every file again, also those that look unchanged")
    .option("--ignore-ctime", "a changed ctime alone is no change")
    .option("--ignore-inode", "a changed inode number alone is no change")
    .option("--skip-if-unchanged", "make no snapshot that equals the one before")
    .option("--compression <level>", "zstd level, 1 to 19 (default: 1 or 3, by gain)", (text) =>
      parseCount(text, 1, 19),
    )
    .addHelpText(
      "after",
      `
Examples:
  varve snapshot ~
  varve snapshot --exclude '*.tmp' --exclude-caches --one-file-system /home /etc
  varve snapshot '/var/www/*/upload' --tag web,nightly
  varve --quiet snapshot /srv               in cron: prints nothing but failures

Exit code 3: the snapshot was made, but some of the source could not be read. So it is with a
path that is not there, such as a disk that is not mounted; only when none is, nothing is made.`,
    );
}

async function snapshot(
  context: CliContext,
  args: readonly string[],
  flags: SnapshotFlags,
): Promise<ExitCode> {
  const [{ withRepository }, { repositoryLocation }, { snapshotRequest }] = await Promise.all([
    import("../open-repository.ts"),
    import("../repository-location.ts"),
    import("./snapshot-request.ts"),
  ]);
  // Before the repository: a mistyped path must not make one.
  const request = snapshotRequest(context, args, flags, repositoryLocation(context).url);
  const { WalkThread } = await import("../../engine/snapshot/walk-thread.ts");
  // Now, so that it loads while this thread loads the rest and opens the repository.
  const walks = new WalkThread();
  try {
    const { takeSnapshot } = await import("./snapshot-run.ts");
    const take = (opened: OpenedRepository) => takeSnapshot(context, opened, { ...request, walks });
    return await withRepository(context, take, { createDefault: flags.dryRun !== true });
  } finally {
    await walks.close();
  }
}
