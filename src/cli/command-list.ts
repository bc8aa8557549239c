/**
 * Every command with the line that describes it, in the order of the help. Its module is loaded
 * only when the command line mentions it: starting varve must not cost more than the command does.
 */
import type { Command } from "commander";
import type { CliContext } from "./context.ts";
import type { ExitCode } from "./exit-code.ts";

/** What a command does; without a result it is done. */
export type Handler<Options> = (
  context: CliContext,
  args: readonly string[],
  options: Options,
  command: Command,
) => Promise<ExitCode | undefined>;

/** Makes commander's action of a handler. */
export type Run = <Options extends object>(
  handler: Handler<Options>,
) => (...args: unknown[]) => Promise<void>;

/** Gives a command its arguments, options, help and action. */
export type Define = (command: Command, run: Run) => void;

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: string;
  readonly load: () => Promise<{ readonly define: Define }>;
}

const group = {
  make: "Snapshots:",
  look: "Looking inside:",
  back: "Getting back:",
  space: "Retention and space:",
  care: "Care:",
  rest: "Others:",
} as const;

export const commandList: readonly CommandEntry[] = [
  {
    name: "init",
    summary: "create a repository",
    group: group.make,
    load: () => import("./commands/init.ts"),
  },
  {
    name: "snapshot",
    summary: "snapshot files and folders",
    group: group.make,
    load: () => import("./commands/snapshot.ts"),
  },
  {
    name: "snapshots",
    summary: "list snapshots",
    group: group.make,
    load: () => import("./commands/snapshots.ts"),
  },
  {
    name: "copy",
    summary: "copy snapshots to another repository",
    group: group.make,
    load: () => import("./commands/copy.ts"),
  },
  {
    name: "ls",
    summary: "list what a snapshot holds",
    group: group.look,
    load: () => import("./commands/ls.ts"),
  },
  {
    name: "find",
    summary: "find paths in all snapshots",
    group: group.look,
    load: () => import("./commands/find.ts"),
  },
  {
    name: "diff",
    summary: "show what changed between two snapshots",
    group: group.look,
    load: () => import("./commands/diff.ts"),
  },
  {
    name: "restore",
    summary: "restore files as of a snapshot or a time",
    group: group.back,
    load: () => import("./commands/restore.ts"),
  },
  {
    name: "dump",
    summary: "write one file, or a folder as an archive, to stdout",
    group: group.back,
    load: () => import("./commands/dump.ts"),
  },
  {
    name: "forget",
    summary: "remove snapshots by name",
    group: group.space,
    load: () => import("./commands/forget.ts"),
  },
  {
    name: "prune",
    summary: "forget by rules, and free space",
    group: group.space,
    load: () => import("./commands/prune.ts"),
  },
  {
    name: "stats",
    summary: "show sizes and counts",
    group: group.space,
    load: () => import("./commands/stats.ts"),
  },
  {
    name: "check",
    summary: "verify the repository",
    group: group.care,
    load: () => import("./commands/check.ts"),
  },
  {
    name: "repair",
    summary: "rebuild the index, give up packs, drop what is beyond repair",
    group: group.care,
    load: () => import("./commands/repair.ts"),
  },
  {
    name: "key",
    summary: "manage passwords and key files",
    group: group.care,
    load: () => import("./commands/key.ts"),
  },
  {
    name: "sessions",
    summary: "list writers that are, or were, at work",
    group: group.care,
    load: () => import("./commands/sessions.ts"),
  },
  {
    name: "help",
    summary: "explain varve, a command, or a topic",
    group: group.rest,
    load: () => import("./commands/help.ts"),
  },
  {
    name: "completion",
    summary: "print a completion script for a shell",
    group: group.rest,
    load: () => import("./commands/completion.ts"),
  },
  {
    name: "man",
    summary: "print the manual page",
    group: group.rest,
    load: () => import("./commands/man.ts"),
  },
  {
    name: "version",
    summary: "print the version",
    group: group.rest,
    load: () => import("./commands/version.ts"),
  },
];

/** Commands that show the whole tree, and so need all of it. */
export const wholeTreeCommands: readonly string[] = ["help", "completion", "man"];
