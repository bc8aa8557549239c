/** `varve version`: the program, its formats and its platform. */
import { programVersion } from "../../base/program.ts";
import type { Define } from "../command-list.ts";

const formatVersion = 1;

export const define: Define = (command, run) => {
  command.action(
    run(async ({ output }) => {
      const platform = `${process.platform}-${process.arch}`;
      const program = `varve ${programVersion}, repository format ${formatVersion}`;
      output.line(`${program}, Node ${process.version}, ${platform}`);
      output.row({
        version: programVersion,
        repository_format: formatVersion,
        node: process.version,
        platform,
      });
      return undefined;
    }),
  );
};
