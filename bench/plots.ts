/** Bar charts as SVG, from numbers alone: the same samples give the same bytes. */
import { type ProgramName, programNames } from "./programs/program.ts";
import type { Sample } from "./recorder.ts";
import { best, type Figures, figures, lastStored } from "./results.ts";
import { setTitles, works } from "./works.ts";

const colours: Readonly<Record<ProgramName, string>> = {
  restic: "#8da0b6",
  borg: "#b9a27c",
  "borg-zstd": "#d9c9a8",
  varve: "#1b6e53",
};

export interface Row {
  readonly label: string;
  readonly bars: readonly { readonly program: ProgramName; readonly value: number }[];
  /** Where a line is drawn that varve's bar is to stay left of. */
  readonly target?: number;
}

export interface Chart {
  readonly title: string;
  /** The end of the axis; longer bars are cut off there, and say so. */
  readonly max: number;
  readonly rows: readonly Row[];
  readonly show: (value: number) => string;
}

const width = 900;
const labelWidth = 310;
const valueWidth = 70;
const barHeight = 9;
const rowGap = 8;
const headHeight = 56;
const plotWidth = width - labelWidth - valueWidth;

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0) ?? 0};`);

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x}" y="${y}"${attributes}>${escaped(content)}</text>`;
}

/** One work: its name, a bar for each program, its target. */
function rowShapes({ max, show }: Chart, { label, bars, target }: Row, top: number): string[] {
  const place = (value: number) => Math.round((Math.min(value, max) / max) * plotWidth);
  const height = bars.length * barHeight;
  const shapes = [text(labelWidth - 8, top + height / 2 + 4, label, ' text-anchor="end"')];
  for (const [at, { program, value }] of bars.entries()) {
    const y = top + at * barHeight;
    const size = `width="${place(value)}" height="${barHeight - 1}"`;
    shapes.push(`<rect x="${labelWidth}" y="${y}" ${size} fill="${colours[program]}"/>`);
    const words = value > max ? `${show(value)} →` : show(value);
    shapes.push(text(labelWidth + place(value) + 4, y + barHeight - 1, words, ' font-size="9"'));
  }
  if (target !== undefined) {
    const x = labelWidth + place(target);
    const line = `x1="${x}" x2="${x}" y1="${top - 2}" y2="${top + height + 1}"`;
    shapes.push(`<line ${line} stroke="#c0392b" stroke-width="2"/>`);
  }
  return shapes;
}

function legend(programs: readonly ProgramName[]): string[] {
  return programs.flatMap((program, at) => {
    const x = labelWidth + at * 110;
    const box = `<rect x="${x}" y="32" width="10" height="10" fill="${colours[program]}"/>`;
    return [box, text(x + 15, 41, program)];
  });
}

/** The chart as the text of an SVG file. */
export function barChart(chart: Chart): string {
  const used = programNames.filter((name) =>
    chart.rows.some(({ bars }) => bars.some(({ program }) => program === name)),
  );
  const shapes = [text(8, 20, chart.title, ' font-size="15" font-weight="bold"'), ...legend(used)];
  let top = headHeight;
  for (const row of chart.rows) {
    shapes.push(...rowShapes(chart, row, top));
    top += row.bars.length * barHeight + rowGap;
  }
  const size = `width="${width}" height="${top}" viewBox="0 0 ${width} ${top}"`;
  const font = 'font-family="sans-serif" font-size="11"';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${font}>`,
    `<title>${escaped(chart.title)}</title>`,
    `<rect width="${width}" height="${top}" fill="#ffffff"/>`,
    ...shapes,
    "</svg>",
    "",
  ].join("\n");
}

/** One row's bars: `field` of every program that did `work`, divided by `unit`. */
function bars(samples: readonly Sample[], work: string, field: keyof Figures, unit: number) {
  return programNames.flatMap((program) => {
    const value = figures(samples, work, program)?.[field];
    return value === undefined ? [] : [{ program, value: value / unit }];
  });
}

function relative(samples: readonly Sample[], work: string, label: string, field: keyof Figures) {
  const unit = best(samples, work, field);
  return unit === undefined ? [] : [{ label, bars: bars(samples, work, field, unit) }];
}

const label = (set: string, title: string) => `${set}: ${title.replace(/`/g, "")}`;

/** Wall time of each work; the better of the peers is 1. */
export function wallChart(samples: readonly Sample[]): Chart {
  return {
    title: "Wall time; the better of restic and Borg is 1, the red line is the target",
    max: 3,
    show: (value) => value.toFixed(2),
    rows: works.flatMap(({ name, set, title, target }) =>
      relative(samples, name, label(set, title), "wall").map((row) =>
        target === undefined ? row : { ...row, target },
      ),
    ),
  };
}

/** Peak memory of each work, in MB. */
export function memoryChart(samples: readonly Sample[]): Chart {
  const rows = works
    .map(({ name, set, title }) => ({
      label: label(set, title),
      bars: bars(samples, name, "peak", 1e6),
      target: 400,
    }))
    .filter((row) => row.bars.length > 0);
  return {
    title: "Peak memory in MB; the red line is what varve may take",
    max: 800,
    show: (value) => value.toFixed(0),
    rows,
  };
}

/** What each repository holds after all snapshots of a data set; the smaller of the peers' is 1. */
export function repositoryChart(samples: readonly Sample[]): Chart {
  return {
    title: "Repository after all snapshots of a data set; the smaller of restic's and Borg's is 1",
    max: 2,
    show: (value) => value.toFixed(2),
    rows: Object.keys(setTitles).flatMap((set) => {
      const work = lastStored(samples, set);
      if (work === undefined) return [];
      return relative(samples, work.name, setTitles[set] ?? set, "stored").map((row) => ({
        ...row,
        target: 1,
      }));
    }),
  };
}
