/**
 * The limits of format version 1, with reasons. Writers hold to them (`limit-exceeded`), readers
 * refuse what goes beyond (`object-damaged`), so no stored number can make a reader allocate more
 * than one of these. format.md, "Limits", lists the same.
 */
const kib = 1024;
const mib = 1024 * kib;

/** Plaintext of a blob: what a worker holds at once, twice over, for each open file. */
export const blobBytesMax = 16 * mib;

/** Blobs in a pack: bounds the table (73 bytes each at most) and what repair holds in memory. */
export const packBlobsMax = 1 << 20;

/** A pack: one put, one buffer, offsets that fit 32 bits with room. */
export const packBytesMax = 1024 * mib;

/** Packs named by one index object; each takes at least 37 bytes. */
export const indexPacksMax = 1 << 20;

/** An index object, and so what a reader holds at once; larger indexes are several objects. */
export const indexBytesMax = 256 * mib;

/** Index objects, or tombstones, that one merged object replaces. */
export const replacesMax = 1 << 20;

/** A snapshot, session lease, tombstone or fence object. */
export const smallObjectBytesMax = 16 * mib;

/** Packs that one tombstone names; more packs take several tombstones. */
export const tombstonePacksMax = 400_000;

/** Sessions noted in a tombstone, each with its beat. */
export const tombstoneSessionsMax = 100_000;

/** Snapshots of one session in a fence; a session makes one, and so rarely more than one. */
export const fenceSnapshotsMax = 100_000;

/** The wrap of a pack key or small object; a post-quantum wrap is about 1.2 KiB. */
export const wrapBytesMax = 65_535;

/** `varve.json`. */
export const descriptionBytesMax = 64 * kib;

/** A key slot object. */
export const keySlotBytesMax = 64 * kib;

/** What reading a key slot may cost, whoever wrote it: memory, then time. */
export const argon2MemoryKibMin = 8 * kib;
export const argon2MemoryKibMax = 1024 * kib;
export const argon2PassesMax = 64;
export const argon2ParallelismMax = 16;

/** Size that packs aim at; a repository setting. */
export const packTargetBytesMin = 64 * kib;
export const packTargetBytesMax = 512 * mib;

/** Texts and lists in a snapshot. */
export const textBytesMax = 4 * kib;
export const pathBytesMax = 64 * kib;
export const tagsMax = 1000;
export const pathsMax = 100_000;
export const sourcesMax = 10_000;
