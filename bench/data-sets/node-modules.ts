/** node_modules of a small web project, before and after an update of its packages, from npm. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { output } from "../measure.ts";

const versions: readonly Record<string, string>[] = [
  {
    typescript: "5.9.3",
    vitest: "3.2.7",
    esbuild: "0.28.2",
    assemblyscript: "0.28.20",
    "@aws-sdk/client-s3": "^3.1000.0",
    "@noble/ciphers": "2.4.0",
    "fast-check": "4.10.2",
  },
  {
    typescript: "7.0.2",
    vitest: "4.1.12",
    esbuild: "0.28.2",
    assemblyscript: "0.28.20",
    "@aws-sdk/client-s3": "^3.1000.0",
    "@noble/ciphers": "2.4.0",
    "fast-check": "4.10.2",
  },
];

/** Makes v1 and v2 in `folder`: the second is the first, updated, as `npm install` leaves it. */
export function makeNodeModules(folder: string): void {
  const project = join(folder, "project");
  mkdirSync(project);
  for (const [at, dependencies] of versions.entries()) {
    writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, dependencies }));
    // Packages that compile themselves would take minutes, and are of no other use here.
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    output({ argv: ["npm", "install", ...flags], env: {}, cwd: project });
    output({ argv: ["cp", "-a", project, join(folder, `v${at + 1}`)], env: {} });
  }
  rmSync(project, { recursive: true });
}
