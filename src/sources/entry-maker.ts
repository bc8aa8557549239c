/** Makes source entries of metadata: kinds, names of owners, ordinals of devices. */
import { EntryType } from "../base/entry.ts";
import type { CatalogKey } from "../base/raw-path.ts";
import type { FileStat } from "./linux/read-calls.ts";
import { OwnerNames } from "./owners.ts";
import type { SourceEntry } from "./source-entry.ts";

export type OwnerLookup = Pick<OwnerNames, "user" | "group">;

export class EntryMaker {
  readonly #owners: OwnerLookup;
  readonly #devices = new Map<number, number>();
  #lastDevice = -1;
  #lastOrdinal = 0;

  constructor(owners: OwnerLookup = new OwnerNames()) {
    this.#owners = owners;
  }

  make(key: CatalogKey, type: EntryType, stat: FileStat): SourceEntry {
    return {
      key,
      type,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      user: this.#owners.user(stat.uid),
      group: this.#owners.group(stat.gid),
      mtimeNs: stat.mtimeNs,
      ctimeNs: stat.ctimeNs,
      inode: stat.inode,
      size: type === EntryType.file ? stat.size : 0,
      nlink: stat.nlink,
      deviceOrdinal: this.deviceOrdinal(stat),
      blocks: stat.blocks,
      rdevMajor: stat.rdevMajor,
      rdevMinor: stat.rdevMinor,
    };
  }

  /** 0 for the first device asked for, 1 for the second… */
  deviceOrdinal({ deviceMajor, deviceMinor }: FileStat): number {
    const device = deviceMajor * 2 ** 32 + deviceMinor;
    if (device === this.#lastDevice) return this.#lastOrdinal;
    const ordinal = this.#devices.get(device) ?? this.#devices.size;
    this.#devices.set(device, ordinal);
    this.#lastDevice = device;
    this.#lastOrdinal = ordinal;
    return ordinal;
  }
}
