/**
 * Who shall own what is restored: by name where this host knows the name, else by number, as tar
 * and rsync do; or always by number. Without root's power only the own user and own groups can be
 * given, and what cannot be given is counted, not an error; setuid and setgid then go, since they
 * would lend the wrong identity, and are counted too.
 */
import type { EntryMeta } from "../../base/entry.ts";
import { type Credentials, findGid, findUid } from "../linux/process-calls.ts";
import { unchangedId } from "../linux/write-calls.ts";

const setuid = 0o4000;
const setgid = 0o2000;
/** Names kept in memory; a hostile catalog may bring any number of them. */
const namesMax = 10_000;

export interface OwnerLookup {
  findUid(user: string): number | undefined;
  findGid(group: string): number | undefined;
}

const hostLookup: OwnerLookup = { findUid, findGid };

export interface PlannedOwner {
  /** `unchangedId` to leave what the system gives. */
  readonly uid: number;
  readonly gid: number;
  /** Permission bits that may be set. */
  readonly mode: number;
}

export class TargetOwners {
  readonly #credentials: Credentials;
  readonly #byNumber: boolean;
  readonly #lookup: OwnerLookup;
  readonly #uids = new Map<string, number | undefined>();
  readonly #gids = new Map<string, number | undefined>();
  /** Entries whose owner or group was not theirs to give. */
  notGiven = 0;
  /** Entries that went without setuid or setgid, their owner or group being another. */
  setIdsNotGiven = 0;

  constructor(credentials: Credentials, byNumber: boolean, lookup: OwnerLookup = hostLookup) {
    this.#credentials = credentials;
    this.#byNumber = byNumber;
    this.#lookup = lookup;
  }

  plan(entry: EntryMeta): PlannedOwner {
    const { uid, gid, givesUser, givesGroup } = this.#ownerOf(entry);
    if (this.#credentials.uid === 0) return { uid, gid, mode: entry.mode };
    return {
      uid: unchangedId,
      gid: givesGroup ? gid : unchangedId,
      mode: entry.mode & ~((givesUser ? 0 : setuid) | (givesGroup ? 0 : setgid)),
    };
  }

  /** Counts what the plan leaves out; once an entry, however often it was planned. */
  count(entry: EntryMeta): void {
    const { givesUser, givesGroup } = this.#ownerOf(entry);
    if (!givesUser || !givesGroup) this.notGiven++;
    if (this.plan(entry).mode !== entry.mode) this.setIdsNotGiven++;
  }

  #ownerOf(entry: EntryMeta) {
    const { uid: own, gids } = this.#credentials;
    const uid = this.#resolve(this.#uids, entry.user, entry.uid, this.#lookup.findUid);
    const gid = this.#resolve(this.#gids, entry.group, entry.gid, this.#lookup.findGid);
    return {
      uid,
      gid,
      givesUser: own === 0 || uid === own,
      givesGroup: own === 0 || gids.has(gid),
    };
  }

  #resolve(
    known: Map<string, number | undefined>,
    name: string,
    recorded: number,
    find: (name: string) => number | undefined,
  ): number {
    if (this.#byNumber || name === "") return recorded;
    if (!known.has(name)) {
      if (known.size >= namesMax) known.clear();
      known.set(name, name.includes("\0") ? undefined : find(name));
    }
    return known.get(name) ?? recorded;
  }
}
