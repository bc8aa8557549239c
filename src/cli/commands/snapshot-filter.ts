/** The options that choose among snapshots: `--host`, `--series`, `--tag`, `--path`. */
import type { Command } from "commander";
import { collect, collectTags } from "./option-values.ts";

export interface FilterOptions {
  readonly host?: readonly string[];
  readonly series?: readonly string[];
  readonly tag?: readonly (readonly string[])[];
  readonly path?: readonly string[];
}

export function addFilterOptions(command: Command): Command {
  return command
    .option("--host <host>", "only snapshots of this host (repeatable)", collect)
    .option("--series <name>", "only this series (repeatable)", collect)
    .option("--tag <tag[,tag…]>", "only with all these tags (repeatable: any set)", collectTags)
    .option("--path <path>", "only snapshots of this path (repeatable: of all)", collect);
}
