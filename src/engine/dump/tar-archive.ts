/** Writes entries as a tar archive; holes are written as zeros. The blocks: tar-blocks.ts. */
import { type Entry, EntryType } from "../../base/entry.ts";
import { zeros } from "./content-stream.ts";
import type { ArchiveInput, WriteOutput } from "./dump-options.ts";
import { tarEnd, tarHeaders, tarPadding } from "./tar-blocks.ts";

/** Small pieces are put together before they are written. */
const pieceBytesMin = 64 * 1024;

export async function writeTar(input: ArchiveInput, write: WriteOutput): Promise<void> {
  const output = new PieceWriter(write);
  let padding: Uint8Array = new Uint8Array(0);
  for await (const step of input.steps) {
    if (step.type === "bytes") await output.write(step.bytes);
    else if (step.type === "zeros") {
      for (const piece of zeros(step.length)) await output.write(piece);
    } else {
      await output.write(padding);
      const { entry } = step;
      const firstName = input.firstNameOf(entry);
      const slash = entry.type === EntryType.folder ? "/" : "";
      await output.write(tarHeaders({ entry, name: input.nameOf(entry) + slash, firstName }));
      padding = tarPadding(contentBytes(entry, firstName));
    }
  }
  await output.write(padding);
  await output.write(tarEnd);
  await output.flush();
}

function contentBytes(entry: Entry, firstName: string | undefined): number {
  return entry.type === EntryType.file && firstName === undefined ? entry.size : 0;
}

class PieceWriter {
  readonly #write: WriteOutput;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(write: WriteOutput) {
    this.#write = write;
  }

  /** Keeps small pieces, so they must not change until they are written. */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (bytes.length >= pieceBytesMin) {
      await this.flush();
      await this.#write(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes >= pieceBytesMin) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#heldBytes === 0) return;
    const all = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    await this.#write(all);
  }
}
