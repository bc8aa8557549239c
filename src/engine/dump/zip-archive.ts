/**
 * Writes entries as a zip archive, with Unix modes and times in seconds, symbolic links as Info-ZIP
 * stores them, zip64 where needed. A zip has no owners, hard links (each name is written whole),
 * attributes, FIFOs or devices, and its names are text: what it cannot hold is told.
 *
 * yazl keeps its list of entries in memory and goes through it for each: for very many files, tar
 * is the better choice.
 */
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { ZipFile } from "yazl";
import { type Entry, EntryType } from "../../base/entry.ts";
import { displayPath, type RawPath } from "../../base/raw-path.ts";
import { zeros } from "./content-stream.ts";
import type { ArchiveInput, WriteOutput } from "./dump-options.ts";

const modes: Partial<Record<EntryType, number>> = {
  [EntryType.file]: 0o100000,
  [EntryType.folder]: 0o040000,
  [EntryType.symlink]: 0o120000,
};

/** The last moment that the signed 32 bits of seconds can say. */
const timeMsMax = 0x7fffffff * 1000;

export async function writeZip(input: ArchiveInput, write: WriteOutput): Promise<void> {
  const zip = new ZipFile();
  const output = zip.outputStream as PassThrough;
  zip.on("error", (error: Error) => output.destroy(error));
  const filled = fill(zip, input).catch((error: unknown) => {
    output.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  filled.catch(() => {});
  try {
    for await (const bytes of output) await write(bytes as Uint8Array);
  } finally {
    output.destroy();
  }
  await filled;
}

async function fill(zip: ZipFile, input: ArchiveInput): Promise<void> {
  let open: PassThrough | undefined;
  for await (const step of input.steps) {
    if (step.type === "entry") {
      open?.end();
      open = start(zip, input, step.entry);
    } else if (open !== undefined) {
      const pieces = step.type === "bytes" ? [step.bytes] : zeros(step.length);
      for (const piece of pieces) if (!open.write(piece)) await once(open, "drain");
    }
  }
  open?.end();
  zip.end();
}

/** Gives a sink when content follows. */
function start(zip: ZipFile, input: ArchiveInput, entry: Entry): PassThrough | undefined {
  const kind = modes[entry.type];
  if (kind === undefined) {
    input.problem(entry, "A zip cannot hold FIFOs and devices.");
    return undefined;
  }
  const rawName = input.nameOf(entry);
  const name = textName(rawName);
  if (Buffer.from(name, "utf8").latin1Slice() !== rawName) {
    input.problem(entry, `A zip cannot hold this name; it is ${name} there.`);
  }
  const facts = { mode: kind | entry.mode, mtime: zipTime(input, entry) };
  if (entry.type === EntryType.folder) {
    zip.addEmptyDirectory(name, facts);
    return undefined;
  }
  if (entry.type === EntryType.symlink) {
    const target = Buffer.from(entry.linkTarget ?? "", "latin1");
    zip.addBuffer(target, name, { ...facts, compress: false });
    return undefined;
  }
  const content = new PassThrough();
  zip.addReadStream(content, name, { ...facts, size: entry.size });
  return content;
}

/** The time, or the nearest that a zip can hold. yazl throws for what lies before 1970. */
function zipTime(input: ArchiveInput, entry: Entry): Date {
  const ms = Number(entry.mtimeNs / 1_000_000n);
  const nearestMs = Math.min(Math.max(ms, 0), timeMsMax);
  if (nearestMs !== ms) input.problem(entry, "A zip cannot hold a time before 1970 or after 2038.");
  return new Date(nearestMs);
}

/** A backslash, or a letter and a colon, would lead elsewhere on other systems. */
function textName(raw: string): string {
  const bytes = Buffer.from(raw, "latin1");
  const text = bytes.toString("utf8");
  const valid = Buffer.from(text, "utf8").equals(bytes) ? text : displayPath(raw as RawPath);
  return valid.replaceAll("\\", "_").replace(/^([A-Za-z]):/, "$1_");
}
