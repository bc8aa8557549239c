/**
 * An open repository: a store, its keys, its description and the local cache. Made by
 * `initRepository` or `openRepository`; operations on it live in src/engine.
 */
import { join } from "node:path";
import { bytesEqual } from "../base/bytes.ts";
import { CipherSuite } from "../base/cipher-suite.ts";
import type { Clock, Random } from "../base/clock.ts";
import { hasCode, invariant, VarveError } from "../base/errors.ts";
import type { Host } from "../base/host.ts";
import {
  isHex,
  keySlotId,
  randomIdBytes,
  repositoryId,
  type SnapshotId,
  toHex,
} from "../base/ids.ts";
import { BlobSealer } from "./blob-codec.ts";
import { BlobIndex } from "./blob-index.ts";
import { BlobReader } from "./blob-reader.ts";
import { type Database, openCacheDatabase, openTemporaryDatabase } from "./cache/cache-database.ts";
import { KeptNodes } from "./cache/kept-nodes.ts";
import { SnapshotGroups } from "./cache/snapshot-groups.ts";
import { CatalogReader } from "./catalog/catalog-reader.ts";
import { Compressor } from "./compression.ts";
import { blake3 } from "./crypto/hash.ts";
import type { KdfParameters, Secret } from "./crypto/kek.ts";
import { deriveKeys, type RepositoryKeys, type RepositorySecrets } from "./crypto/keys.ts";
import { type Description, decodeDescription, encodeDescription } from "./format/description.ts";
import { BlobKind } from "./format/pack-table.ts";
import { type IndexOnlooker, loadIndex } from "./index-loader.ts";
import {
  createKeySlot,
  openKeySlot,
  openKeySlotInfo,
  sealDescription,
  verifyDescription,
} from "./key-slots.ts";
import {
  keepSnapshot,
  listSnapshots,
  type SnapshotListing,
  type SnapshotRecord,
} from "./snapshot-list.ts";
import type { Store } from "./store/store.ts";
import { WholeRoots } from "./whole-roots.ts";

export interface RepositoryContext {
  readonly store: Store;
  /** Folder of all caches; each repository has its own inside. */
  readonly cacheDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: Host;
  /** Told of index objects that are brought into the cache, in bytes, by whatever needs them. */
  readonly onIndexProgress?: (done: number, total: number) => void;
}

export interface OpenOptions extends RepositoryContext {
  readonly secret: Secret;
  /** Believe nothing that earlier runs left in the cache. */
  readonly freshCache?: boolean;
}

/** What a load of the index saw; tells later whether packs have died since. */
export interface IndexView {
  /** Names of objects in the store. */
  readonly tombstones: ReadonlySet<string>;
  readonly generation: number;
}

export interface RepositoryCache {
  readonly db: Database;
  /** Where the lasting cache of this repository is, also when `db` is a temporary one. */
  readonly folder: string;
}

export const descriptionName = "varve.json";

export class Repository {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: Host;
  readonly onIndexProgress: NonNullable<RepositoryContext["onIndexProgress"]>;
  readonly description: Description;
  readonly keys: RepositoryKeys;
  readonly bundle: RepositorySecrets;
  readonly cache: RepositoryCache;
  readonly index: BlobIndex;
  readonly blobs: BlobReader;
  readonly wholeRoots: WholeRoots;
  /** Undefined where the store is near. */
  readonly keptNodes: KeptNodes | undefined;
  #view: IndexView = { tombstones: new Set(), generation: 0 };
  readonly #snapshotGroups: SnapshotGroups;
  readonly #compressor = new Compressor();

  constructor(
    context: RepositoryContext,
    description: Description,
    bundle: RepositorySecrets,
    cache: RepositoryCache,
  ) {
    this.store = context.store;
    this.clock = context.clock;
    this.random = context.random;
    this.host = context.host;
    this.onIndexProgress = context.onIndexProgress ?? (() => undefined);
    this.description = description;
    this.bundle = bundle;
    this.keys = deriveKeys(bundle);
    this.cache = cache;
    this.#snapshotGroups = new SnapshotGroups(cache.db, this.keys, context.random);
    this.index = new BlobIndex(cache.db);
    this.keptNodes = this.store.isNear === false ? new KeptNodes(cache.db) : undefined;
    this.blobs = new BlobReader(this);
    this.wholeRoots = new WholeRoots(cache.db, this.index);
  }

  get cipher(): CipherSuite {
    const isAes = this.description.cipher === "aes-256-gcm";
    return isAes ? CipherSuite.aes256Gcm : CipherSuite.chacha20Poly1305;
  }

  /** Brings the index up to date with the store; see index-loader.ts. */
  async loadIndex(signal?: AbortSignal, onlooker: IndexOnlooker = {}): Promise<void> {
    const { store, keys, index, onIndexProgress: onProgress } = this;
    const tombstones = await loadIndex({
      store,
      keys,
      index,
      db: this.cache.db,
      bulk: { folder: this.cache.folder },
      ...(signal === undefined ? {} : { signal }),
      onProgress,
      ...onlooker,
    });
    this.#view = { tombstones, generation: index.generation };
  }

  /** Of the last load of the index. */
  get view(): IndexView {
    return this.#view;
  }

  async listSnapshots(): Promise<SnapshotListing> {
    const { store, keys } = this;
    return listSnapshots({ store, keys, db: this.cache.db, groups: this.#snapshotGroups });
  }

  /** Spares the next listing the reading of what this run has put. */
  keepSnapshot(id: SnapshotId, sealed: Uint8Array): void {
    if (this.store.isNear === false) keepSnapshot(this.cache.db, id, sealed);
  }

  /** The readable snapshots, oldest first. */
  async snapshots(): Promise<SnapshotRecord[]> {
    return (await this.listSnapshots()).records;
  }

  catalog(record: Pick<SnapshotRecord, "snapshot">): CatalogReader {
    return this.catalogAt(record.snapshot.root);
  }

  catalogAt(root: Uint8Array): CatalogReader {
    const source = {
      readNode: (id: Uint8Array) => this.blobs.read(BlobKind.catalog, id),
      readNodes: (ids: readonly Uint8Array[]) => this.blobs.readMany(BlobKind.catalog, ids),
    };
    return new CatalogReader(source, root);
  }

  /** A catalog to be told from, not to be checked: nodes that the local cache keeps will do. */
  keptCatalogAt(root: Uint8Array): CatalogReader {
    const readNodes = (ids: readonly Uint8Array[]) => this.blobs.readNodes(ids);
    const readNode = async (id: Uint8Array) => {
      const [node] = await readNodes([id]);
      invariant(node !== undefined, "one node for one id");
      return node;
    };
    return new CatalogReader({ readNode, readNodes }, root);
  }

  /** An empty pack to fill. */
  newSealer(): BlobSealer {
    return new BlobSealer({
      keys: this.keys,
      cipher: this.cipher,
      packBytes: this.description.pack.bytes,
      padding: this.description.pack.padding,
      random: this.random,
      compressor: this.#compressor,
    });
  }

  async close(): Promise<void> {
    this.cache.db.close();
    await this.store.close();
  }
}

/**
 * One cache for each repository at each place: of two copies that are used by turns, or at once,
 * each would unlearn what the other knows. A repository that was moved gets a new one.
 */
function cacheName(id: string, place: string): string {
  return `${id}-${toHex(blake3(Buffer.from(place, "utf8"))).slice(0, 16)}`;
}

function openCache(options: OpenOptions, id: string): RepositoryCache {
  const folder = join(options.cacheDir, cacheName(id, options.store.url));
  if (options.freshCache === true) return { db: openTemporaryDatabase(), folder };
  return { db: openCacheDatabase(folder), folder };
}

async function readDescription(store: Store): Promise<Description> {
  try {
    return decodeDescription(await store.get(descriptionName));
  } catch (error) {
    if (!hasCode(error, "object-absent")) throw error;
    throw new VarveError("repo-absent", `There is no repository at ${store.url}.`, {
      hint: "Check the location, or make one with `varve init`.",
      cause: error,
    });
  }
}

/**
 * Opens a repository: `repo-absent`, `repo-future`, `password-wrong`, or damage of the description
 * or all key slots.
 */
export async function openRepository(options: OpenOptions): Promise<Repository> {
  const description = await readDescription(options.store);
  const cache = openCache(options, description.id);
  try {
    const bundle = await unlock(options.store, options.secret, description, cache.db);
    return new Repository(options, description, bundle, cache);
  } catch (error) {
    cache.db.close();
    throw error;
  }
}

/**
 * The slot that opened here before first, so that a host that is at home lists nothing; then each.
 * Damaged slots only count when no other opens.
 */
async function unlock(
  store: Store,
  secret: Secret,
  description: Description,
  db: Database,
): Promise<RepositorySecrets> {
  let failure: unknown;
  const tried = new Set<string>();
  const bundleOf = async (slot: string): Promise<RepositorySecrets | undefined> => {
    tried.add(slot);
    try {
      const bundle = await openKeySlot(keySlotId(slot), await store.get(`keys/${slot}`), secret);
      // A slot may open and still be of another repository, copied here or left by a crashed init.
      verifyDescription(description, deriveKeys(bundle));
      return bundle;
    } catch (error) {
      // A slot of another password, of another kind, or hurt: the next one may open.
      if (!hasCode(error, "password-wrong", "object-absent")) failure ??= error;
      return undefined;
    }
  };
  const remembered = rememberedSlot(db);
  const known = remembered === undefined ? undefined : await bundleOf(remembered);
  if (known !== undefined) return known;
  for await (const { name } of store.list("keys")) {
    const slot = slotName(name);
    const bundle = tried.has(slot) ? undefined : await bundleOf(slot);
    if (bundle === undefined) continue;
    rememberSlot(db, slot);
    return bundle;
  }
  if (failure !== undefined) throw failure;
  throw new VarveError("password-wrong", "No key of this repository opens with this password.", {
    hint: "Check the password or key file; `varve key list` names the keys once it is open.",
    context: { slots: tried.size },
  });
}

const slotSetting = "key_slot";

function rememberedSlot(db: Database): string | undefined {
  const slot = db.prepare("SELECT value FROM setting WHERE name = ?").pluck().get(slotSetting);
  return typeof slot === "string" && isHex(slot, 32) ? slot : undefined;
}

function rememberSlot(db: Database, slot: string): void {
  db.prepare("INSERT OR REPLACE INTO setting VALUES (?, ?)").run(slotSetting, slot);
}

export interface InitOptions extends OpenOptions {
  readonly settings: Pick<Description, "cipher" | "chunkers" | "pack">;
  /** Shared with another repository so that both cut alike; random when not given. */
  readonly chunkerSecret?: Uint8Array;
  /** Shared as well, so that a blob has one id in both; derived from the master when not given. */
  readonly idsRoot?: Uint8Array;
  readonly label: string;
  readonly kdf?: KdfParameters;
}

/**
 * Makes a repository; `repo-exists` when there is one, also when another process makes one at the
 * same moment. The description comes last: before it, there is no repository. Of several tries at
 * once the one whose description stands has won, and the others take their key slots back. Where a
 * store has no `putIfAbsent`, that needs a second between them.
 */
export async function initRepository(options: InitOptions): Promise<Repository> {
  const { store, random } = options;
  await requireUnused(store);
  const bundle = {
    master: random(32),
    chunkerSecret: options.chunkerSecret ?? random(32),
    ...(options.idsRoot === undefined ? {} : { idsRoot: options.idsRoot }),
  };
  const keys = deriveKeys(bundle);
  const id = repositoryId(toHex(random(randomIdBytes)));
  const createdNs = options.clock.nowNs();
  const description = sealDescription({ ...options.settings, version: 1, id, createdNs }, keys);
  const slotId = keySlotId(toHex(random(randomIdBytes)));
  const slot = await createKeySlot({
    id: slotId,
    bundle,
    secret: options.secret,
    info: { label: options.label, createdNs, host: options.host.hostname },
    random,
    ...(options.kdf === undefined ? {} : { kdf: options.kdf }),
  });
  await store.put(`keys/${slotId}`, slot);
  const bytes = encodeDescription(description);
  await (store.putIfAbsent?.(descriptionName, bytes) ?? store.put(descriptionName, bytes));
  if (!bytesEqual(await store.get(descriptionName), bytes)) {
    await store.delete(`keys/${slotId}`);
    throw repoExists(store);
  }
  await removeForeignSlots(store, keys);
  return new Repository(options, description, bundle, openCache(options, id));
}

/**
 * Slots of repositories that never were: of an interrupted try, or of one that has just lost. Only
 * after the description is ours, for before it they may be the winner's.
 */
async function removeForeignSlots(store: Store, keys: RepositoryKeys): Promise<void> {
  for await (const { name } of store.list("keys")) {
    try {
      openKeySlotInfo(keys, keySlotId(slotName(name)), await store.get(name));
    } catch (error) {
      if (!hasCode(error, "object-damaged", "repo-future", "object-absent")) throw error;
      await store.delete(name);
    }
  }
}

/** Without the folder. */
function slotName(object: string): string {
  return object.slice(object.lastIndexOf("/") + 1);
}

/** Anything of a repository in the way is somebody's data, unless it is only slots of keys. */
async function requireUnused(store: Store): Promise<void> {
  const folders = ["packs", "index", "snapshots"];
  let used = await store.size(descriptionName).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, "object-absent")) return false;
      throw error;
    },
  );
  for (const folder of folders) {
    for await (const _ of store.list(folder)) used = true;
  }
  for await (const { name } of store.list("keys")) used ||= !isHex(slotName(name), 32);
  if (used) throw repoExists(store);
}

function repoExists(store: Store): VarveError {
  return new VarveError("repo-exists", `There is a repository at ${store.url} already.`, {
    hint: "Use it without `varve init`, or name another place.",
  });
}
