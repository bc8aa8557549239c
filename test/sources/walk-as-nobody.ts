/** A program that gives up root, walks the folder in its argument and prints what it met. */
import fs from "node:fs";
import { openForRead } from "../../src/sources/file-reader.ts";
import { problemLines, walkAll } from "./walk-report.ts";

const nobody = 65_534;
const [root = ""] = process.argv.slice(2);
process.setgroups?.([]);
process.setgid?.(nobody);
process.setuid?.(nobody);

const unreadable: string[] = [];
const report = walkAll({ roots: [root] }, (path, { target }) => {
  if (target === undefined) return;
  try {
    fs.closeSync(openForRead(target));
  } catch (error) {
    unreadable.push(`${(error as NodeJS.ErrnoException).code} ${path}`);
  }
});
console.log(JSON.stringify({ paths: report.paths, problems: problemLines(report), unreadable }));
