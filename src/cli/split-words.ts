/**
 * Splits a command line into words without a shell: blanks part words, '…' and "…" hold them
 * together, a backslash takes the next character as it is (not inside '…'). No variables, no
 * globs, no pipes: who wants those names a shell, `sh -c '…'`.
 */
import { VarveError } from "../base/errors.ts";

export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const letter = text.charAt(at);
    if (letter === "\\" && quote !== "'" && at + 1 < text.length) {
      word = (word ?? "") + text.charAt(++at);
    } else if (quote !== "") {
      if (letter === quote) quote = "";
      else word += letter;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      word ??= "";
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + letter;
    }
  }
  if (quote !== "") throw new VarveError("usage", `A ${quote} is never closed in this command.`);
  if (word !== undefined) words.push(word);
  return words;
}
