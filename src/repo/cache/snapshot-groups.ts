/**
 * Opened snapshot manifests in the local cache, many in one sealed row: with thousands of snapshots
 * it is opening them one by one that takes the time. What is the same in all of them (host, paths,
 * tags, program) stands in a group once, and is one object of those who read it.
 *
 * A group is sealed under a key that only this repository's keys give, so it says what this program
 * read in manifests that it had verified. One that does not open, or that another version of the
 * program wrote, is taken away: the manifests themselves are in the store.
 */
import { asBuffer } from "../../base/bytes.ts";
import { CipherSuite, tagBytes } from "../../base/cipher-suite.ts";
import type { Random } from "../../base/clock.ts";
import { fromHex, snapshotId, toHex } from "../../base/ids.ts";
import { programName } from "../../base/program.ts";
import type { Aead } from "../crypto/aead.ts";
import { nodeAead } from "../crypto/aead-node.ts";
import { KeyedHash } from "../crypto/hash.ts";
import { derive, type RepositoryKeys } from "../crypto/keys.ts";
import type { Snapshot } from "../format/snapshot.ts";
import { byTime, type SnapshotRecord } from "../snapshot-record.ts";
import type { Database } from "./cache-database.ts";

export interface SnapshotGroup {
  readonly no: number;
  readonly records: readonly SnapshotRecord[];
}

/** Of a row to come; its JSON is 0.4 kB for each. */
const groupRecordsMax = 1024;
/** Smaller ones are joined with what is new. */
const fullGroup = 512;
const saltBytes = 32;
const nonce = Buffer.alloc(12);
/** Associated data: the key says it all. */
const noMore = Buffer.alloc(0);
const rootBytes = 32;

/** What each snapshot has of its own; everything else of a manifest is in the list of facts. */
type Own = readonly [
  id: string,
  timeNs: string,
  startedNs: string,
  endedNs: string,
  session: string,
  previous: string | 0,
  root: string,
  totals: readonly [entries: number, files: number, folders: number, bytes: number],
  added: readonly [blobs: number, bytes: number, rawBytes: number],
  problems: number,
  /** Ordinal in the list of facts. */
  facts: number,
];

interface GroupContent {
  readonly program: string;
  readonly facts: readonly Facts[];
  readonly snapshots: readonly Own[];
}

/** A field that a manifest gets one day is here by itself: it must be one that JSON holds. */
type Facts = Omit<
  Snapshot,
  | "timeNs"
  | "startedNs"
  | "endedNs"
  | "session"
  | "previous"
  | "root"
  | "totals"
  | "added"
  | "problems"
>;

export class SnapshotGroups {
  readonly #db: Database;
  readonly #keys: RepositoryKeys;
  readonly #random: Random;
  /** As they were read last; rows never change, and their numbers are not used again. */
  #groups: readonly SnapshotGroup[] = [];

  constructor(db: Database, keys: RepositoryKeys, random: Random) {
    this.#db = db;
    this.#keys = keys;
    this.#random = random;
  }

  /** All groups; those of no use are taken away. What was read before is not opened again. */
  read(): readonly SnapshotGroup[] {
    const numbers = this.#db.prepare("SELECT no FROM snapshot_group").pluck().all() as number[];
    const sealedOf = this.#db.prepare("SELECT sealed FROM snapshot_group WHERE no = ?").pluck();
    const before = new Map(this.#groups.map((group) => [group.no, group]));
    const groups: SnapshotGroup[] = [];
    for (const no of numbers) {
      const group = before.get(no) ?? this.#decode(no, sealedOf.get(no));
      if (group === undefined) this.#drop([no]);
      else groups.push(group);
    }
    this.#groups = groups;
    return groups;
  }

  /**
   * Puts `fresh` into groups, together with what is left of small groups; `isLiving` says what is.
   * Their own rows of the cache are not needed any more.
   */
  add(
    fresh: readonly SnapshotRecord[],
    groups: readonly SnapshotGroup[],
    isLiving: (record: SnapshotRecord) => boolean,
  ): void {
    const records = [...fresh];
    const replaced: number[] = [];
    const seen = new Set<string>();
    for (const group of groups) {
      const living = group.records.filter((each) => isLiving(each) && !seen.has(each.id));
      for (const { id } of living) seen.add(id);
      if (living.length >= fullGroup && living.length * 2 >= group.records.length) continue;
      replaced.push(group.no);
      records.push(...living);
    }
    records.sort(byTime);
    const insert = this.#db.prepare("INSERT INTO snapshot_group (sealed) VALUES (?)");
    const forget = this.#db.prepare("DELETE FROM snapshot WHERE id = ?");
    this.#db
      .transaction(() => {
        for (let at = 0; at < records.length; at += groupRecordsMax) {
          insert.run(this.#seal(encodeGroup(records.slice(at, at + groupRecordsMax))));
        }
        this.#drop(replaced);
        for (const { id } of fresh) forget.run(fromHex(id));
      })
      .immediate();
  }

  /** Undefined when it does not open, or another process took it away just now. */
  #decode(no: number, sealed: unknown): SnapshotGroup | undefined {
    const content = sealed === undefined ? undefined : this.#open(sealed as Uint8Array);
    return content === undefined ? undefined : { no, records: decodeGroup(content) };
  }

  #drop(numbers: readonly number[]): void {
    const drop = this.#db.prepare("DELETE FROM snapshot_group WHERE no = ?");
    for (const no of numbers) drop.run(no);
  }

  /** Each group has a key of its own, so that its one nonce is used once. */
  #aead(salt: Uint8Array): Aead {
    const key = derive(this.#keys.master, "varve v1 cache snapshots");
    // Not the quicker one of packs: it takes longer to load than a group takes to open.
    return nodeAead(CipherSuite.aes256Gcm, new KeyedHash(key).digest(salt));
  }

  #seal(content: GroupContent): Uint8Array {
    const salt = this.#random(saltBytes);
    const plaintext = Buffer.from(JSON.stringify(content), "utf8");
    const bytes = Buffer.alloc(saltBytes + plaintext.length + tagBytes);
    bytes.set(salt);
    this.#aead(salt).sealInto(bytes.subarray(saltBytes), plaintext, nonce, noMore);
    return bytes;
  }

  #open(bytes: Uint8Array): GroupContent | undefined {
    const salt = bytes.subarray(0, saltBytes);
    if (bytes.length < saltBytes + tagBytes) return undefined;
    const opened = this.#aead(salt).tryOpen(bytes.subarray(saltBytes), nonce, noMore);
    if (opened === undefined) return undefined;
    const content = JSON.parse(asBuffer(opened).utf8Slice()) as GroupContent;
    return content.program === programName ? content : undefined;
  }
}

function encodeGroup(records: readonly SnapshotRecord[]): GroupContent {
  const numbers = new Map<string, number>();
  const facts: Facts[] = [];
  const snapshots = records.map(({ id, snapshot }): Own => {
    const { timeNs, startedNs, endedNs, session, previous, root, totals, ...rest } = snapshot;
    const { added, problems, ...own } = rest;
    const text = JSON.stringify(own);
    let number = numbers.get(text);
    if (number === undefined) {
      number = facts.push(own) - 1;
      numbers.set(text, number);
    }
    return [
      id,
      `${timeNs}`,
      `${startedNs}`,
      `${endedNs}`,
      session,
      previous ?? 0,
      toHex(root),
      [totals.entries, totals.files, totals.folders, totals.bytes],
      [added.blobs, added.bytes, added.rawBytes],
      problems,
      number,
    ];
  });
  return { program: programName, facts, snapshots };
}

function decodeGroup({ facts, snapshots }: GroupContent): SnapshotRecord[] {
  const roots = Buffer.allocUnsafeSlow(snapshots.length * rootBytes);
  return snapshots.map((own, at): SnapshotRecord => {
    const [id, timeNs, startedNs, endedNs, session, previous, root, totals, added] = own;
    roots.write(root, at * rootBytes, "hex");
    const [entries, files, folders, bytes] = totals;
    const snapshot: Snapshot = {
      ...(facts[own[10]] as Facts),
      timeNs: BigInt(timeNs),
      startedNs: BigInt(startedNs),
      endedNs: BigInt(endedNs),
      session: session as Snapshot["session"],
      previous: previous === 0 ? null : snapshotId(previous),
      root: roots.subarray(at * rootBytes, (at + 1) * rootBytes),
      totals: { entries, files, folders, bytes },
      added: { blobs: added[0], bytes: added[1], rawBytes: added[2] },
      problems: own[9],
    };
    return { id: snapshotId(id), snapshot };
  });
}
