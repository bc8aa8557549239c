/** Which of the programs are here. A peer that is absent is named, and the others go on. */
import type { Options } from "../options.ts";
import { borg, borgNames } from "./borg.ts";
import { findPeer, type Program, type ProgramName } from "./program.ts";
import { restic, resticNames } from "./restic.ts";
import { type Secrets, writeSecrets } from "./secrets.ts";
import { varve } from "./varve.ts";

function find(name: ProgramName, options: Options, secrets: Secrets): Program | undefined {
  if (name === "varve") return varve(options.varve, secrets);
  if (name === "restic") {
    const path = findPeer("RESTIC", resticNames);
    return path === undefined ? undefined : restic(path, secrets);
  }
  const path = findPeer("BORG", borgNames);
  return path === undefined ? undefined : borg(name, path, secrets);
}

export async function findPrograms(options: Options): Promise<Program[]> {
  const secrets = await writeSecrets(options.folder);
  return options.programs.flatMap((name) => {
    const program = find(name, options, secrets);
    if (program === undefined) {
      const variable = name === "restic" ? "RESTIC" : "BORG";
      console.error(
        `${name} is not here, and is left out: name it with ${variable} or PEERS; ` +
          `"Peers" in bench/README.md says how to get it.`,
      );
    }
    return program ?? [];
  });
}
