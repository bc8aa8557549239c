/** Does a compare task: reads files back and hashes them against their chunk ids. */
import { bytesEqual } from "../../base/bytes.ts";
import { VarveError } from "../../base/errors.ts";
import { idBytes } from "../../base/ids.ts";
import { KeyedHash } from "../../repo/crypto/hash.ts";
import type { RepositoryKeys } from "../../repo/crypto/keys.ts";
import { faultOf } from "../../sources/target/target-faults.ts";
import { type ReadableFile, withTargetFile } from "../../sources/target/target-reading.ts";
import type { Compared, CompareFile, CompareTask, FileFault } from "./restore-protocol.ts";

const holePieceBytes = 1 << 20;

export function runCompareTask(keys: RepositoryKeys, task: CompareTask): Compared {
  const hash = new KeyedHash(keys.dataId);
  const faults: FileFault[] = [];
  for (const [ordinal, file] of task.files.entries()) {
    try {
      withTargetFile(file.folder, file.name, (opened) => compare(hash, file, opened));
    } catch (error) {
      faults.push({ ...faultOf("verify", error), file: ordinal, isLost: true });
    }
  }
  return { type: "compared", task: task.task, faults };
}

function compare(hash: KeyedHash, file: CompareFile, opened: ReadableFile): void {
  if (file.end >= 0 && opened.size !== file.end) {
    throw different(`it has ${opened.size} bytes instead of ${file.end}`);
  }
  let { offset } = file;
  let chunk = 0;
  for (const length of file.lengths) {
    if (length < 0) {
      requireZeros(opened, offset, -length);
      offset -= length;
      continue;
    }
    const id = file.ids.subarray(chunk * idBytes, ++chunk * idBytes);
    if (!bytesEqual(hash.digest(opened.read(offset, length)), id)) {
      throw different(`its bytes from ${offset} on are others`);
    }
    offset += length;
  }
}

/** A hole reads as zeros; only what has data behind it need be looked at. */
function requireZeros(opened: ReadableFile, offset: number, length: number): void {
  const end = offset + length;
  for (let at = opened.dataFrom(offset); at < end; at = opened.dataFrom(at)) {
    const bytes = opened.read(at, Math.min(holePieceBytes, end - at));
    if (bytes.some((byte) => byte !== 0)) throw different(`its hole at ${offset} is not empty`);
    at += bytes.length;
  }
}

function different(how: string): VarveError {
  return new VarveError("restore-incomplete", `The file is not what the snapshot has: ${how}.`);
}
