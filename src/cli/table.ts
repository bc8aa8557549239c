/** Plain tables: columns of text, two spaces apart, numbers to the right. */

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** The lines of a table; no trailing blanks. Cells must hold no line breaks. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, at) =>
    lines.reduce((width, cells) => Math.max(width, textWidth(cells[at] ?? "")), 0),
  );
  return lines.map((cells) => {
    const padded = columns.map((column, at) => {
      const cell = cells[at] ?? "";
      const blanks = " ".repeat(Math.max(0, (widths[at] ?? 0) - textWidth(cell)));
      return column.align === "right" ? blanks + cell : cell + blanks;
    });
    return padded.join("  ").trimEnd();
  });
}

/** Characters, not UTF-16 units; wide and combining characters are counted as one. */
export function textWidth(text: string): number {
  return isOfUnits(text) ? text.length : [...text].length;
}

/** Whether each UTF-16 unit is a character: the rule, and found out at a hundredth of the cost. */
function isOfUnits(text: string): boolean {
  return !/[\ud800-\udfff]/.test(text);
}

/** At most `width` characters; the middle of a longer text is left out, as its ends say most. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const letters = [...text];
  if (letters.length <= width) return text;
  if (width <= 1) return letters.slice(0, Math.max(0, width)).join("");
  const head = Math.floor((width - 1) / 3);
  const tail = letters.slice(letters.length - (width - 1 - head));
  return `${letters.slice(0, head).join("")}…${tail.join("")}`;
}

/** Words in lines of at most `width`, each after the first line indented. */
export function wrapText(text: string, width: number, indent = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter((word) => word !== "")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && textWidth(longer) > width - indent.length) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  if (line !== "") lines.push(line);
  return lines.join(`\n${indent}`);
}
