/** A program that walks the folder in its argument and prints how many entries it met. */
import { problemLines, walkAll } from "./walk-report.ts";

const [root = ""] = process.argv.slice(2);
const report = walkAll({ roots: [root] });
console.log(JSON.stringify({ count: report.paths.length, problems: problemLines(report) }));
