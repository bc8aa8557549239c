/** Values of options that several commands share. */
import { Option } from "commander";
import { VarveError } from "../../base/errors.ts";

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A name, which a variable that was never set is not. */
export function notEmpty(value: string): string {
  if (value.trim() === "") throw new VarveError("usage", "a name is empty.");
  return value;
}

/** "a,b" as a set of tags that belong together. */
export function splitTags(value: string): string[] {
  const tags = value.split(",").map((tag) => tag.trim());
  if (tags.includes("")) throw new VarveError("usage", `"${value}" holds an empty tag.`);
  return tags;
}

/** Sets of tags: within one option all, between options any. */
export function collectTags(
  value: string,
  before: readonly (readonly string[])[] | undefined,
): (readonly string[])[] {
  return [...(before ?? []), splitTags(value)];
}

/** An option with a fixed set of values, which help and completion show. */
export function choice(flags: string, text: string, choices: readonly string[]): Option {
  return new Option(flags, text).choices(choices);
}

export function requireArgument(args: readonly string[], at: number, name: string): string {
  const value = args[at];
  if (value !== undefined && value !== "") return value;
  throw new VarveError("usage", `The argument ${name} is missing.`);
}
