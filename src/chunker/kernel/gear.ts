// The hot loop of the chunker, in AssemblyScript: finds where chunks end. See ../gear-table.ts for
// what is computed and ../twin.ts for the same in plain TypeScript.
//
// The module keeps nothing but the profile between calls: whether a chunk may end before `p`
// depends only on the chunk's start and the 64 bytes before `p`, so a scan can go on anywhere by
// hashing at most 63 bytes again. All positions are addresses in the imported memory; its first
// 2048 bytes are the gear table.

let minBytes: usize = 0;
let averageBytes: usize = 0;
let maxBytes: usize = 0;
let strictMask: u64 = 0;
let looseMask: u64 = 0;

/** Sets the lengths and, for each condition, how many of the hash's highest bits must be zero. */
export function setProfile(
  min: usize,
  average: usize,
  max: usize,
  strictBits: u32,
  looseBits: u32,
): void {
  minBytes = min;
  averageBytes = average;
  maxBytes = max;
  strictMask = u64.MAX_VALUE << (64 - strictBits);
  looseMask = u64.MAX_VALUE << (64 - looseBits);
}

/**
 * The table's value for the byte at `p + at`.
 */
// @ts-ignore: decorator
@inline function gear(p: usize, at: usize): u64 {
  return load<u64>((<usize>load<u8>(p + at)) << 3);
}

/**
 * The first p in (from, to] where the hash of the 64 bytes before p has no bit of `mask`; 0 when
 * there is none. Reads the bytes from `from - 63` on.
 *
 * Two bytes go into the hash in one step (as in FastCDC 2020): the chain of dependent operations,
 * which bounds the speed, is half as long. Four steps are written out because a loop's own cost
 * (counter, V8's interrupt check) shows: 2,600 against 2,100 MB/s.
 */
function seek(from: usize, to: usize, mask: u64): usize {
  let h: u64 = 0;
  let p = from - 63;
  while (p < from) {
    h = (h << 1) + gear(p, 0);
    p++;
  }
  const blocksEnd = to - ((to - from) & 7);
  while (p < blocksEnd) {
    let first = gear(p, 0);
    let odd = (h << 1) + first;
    h = (h << 2) + ((first << 1) + gear(p, 1));
    if (!(odd & mask)) return p + 1;
    if (!(h & mask)) return p + 2;
    first = gear(p, 2);
    odd = (h << 1) + first;
    h = (h << 2) + ((first << 1) + gear(p, 3));
    if (!(odd & mask)) return p + 3;
    if (!(h & mask)) return p + 4;
    first = gear(p, 4);
    odd = (h << 1) + first;
    h = (h << 2) + ((first << 1) + gear(p, 5));
    if (!(odd & mask)) return p + 5;
    if (!(h & mask)) return p + 6;
    first = gear(p, 6);
    odd = (h << 1) + first;
    h = (h << 2) + ((first << 1) + gear(p, 7));
    if (!(odd & mask)) return p + 7;
    if (!(h & mask)) return p + 8;
    p += 8;
  }
  while (p < to) {
    h = (h << 1) + gear(p, 0);
    p++;
    if (!(h & mask)) return p;
  }
  return 0;
}

/**
 * The end of the chunk from `start` by content, at most `limit`; 0 when content sets none there.
 * Positions up to `scanned` were looked at before.
 */
function contentEnd(start: usize, scanned: usize, limit: usize): usize {
  const from = max(scanned, start + minBytes - 1);
  const strictEnd = min(start + averageBytes - 1, limit);
  if (from < strictEnd) {
    const end = seek(from, strictEnd, strictMask);
    if (end) return end;
  }
  const looseFrom = max(from, strictEnd);
  return looseFrom < limit ? seek(looseFrom, limit, looseMask) : 0;
}

/**
 * Cuts [start, end): writes the lengths of complete chunks to `lengths` (u32 each, at most
 * `capacity`) and returns their count. With `final`, what is left is a chunk too; without it, a
 * count below `capacity` means that all up to `end` was scanned.
 */
export function cut(
  start: usize,
  scanned: usize,
  end: usize,
  final: bool,
  lengths: usize,
  capacity: u32,
): u32 {
  let count: u32 = 0;
  while (count < capacity && start < end) {
    const limit = min(start + maxBytes, end);
    let stop = contentEnd(start, scanned, limit);
    if (!stop) {
      if (!final && limit - start < maxBytes) break;
      stop = limit;
    }
    store<u32>(lengths + (count << 2), <u32>(stop - start));
    count++;
    start = stop;
  }
  return count;
}
