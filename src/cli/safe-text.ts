/**
 * Text that a terminal only shows. Names of files, tags and hosts come from elsewhere; a control
 * character in them could move the cursor, set the title or hide a line. Line feeds and tabs stay.
 */

const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/** Control and direction-changing characters as \xNN or \uNNNN. */
export function safeText(text: string): string {
  return text.replace(control, (unit) => {
    const code = unit.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`;
  });
}

/** As `safeText`, on one line. */
export function safeLine(text: string): string {
  return safeText(text).replace(/[\n\t]/g, (unit) => (unit === "\n" ? "\\n" : "\\t"));
}

/** JSON in which those characters are escaped as well. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
