/**
 * Matching with stars, for the units of a name and for the names of a path alike. Takes at most
 * pattern × input steps: no pattern makes it slow, as backtracking regular expressions can be.
 */

/** Stands in a pattern for any number of units. */
export const star = Symbol("star");
export type Star = typeof star;

/**
 * Whether the pattern fits the first `count` units, all of them. A star need only be widened back
 * to the latest one: what the earlier stars took stays right whatever follows.
 */
export function wildcardFits<Part, Unit>(
  pattern: readonly (Part | Star)[],
  units: ArrayLike<Unit>,
  count: number,
  fits: (part: Part, unit: Unit) => boolean,
): boolean {
  let at = 0;
  let unit = 0;
  let afterStar = -1;
  let starUnit = 0;
  while (unit < count) {
    const part = pattern[at];
    if (part === star) {
      afterStar = ++at;
      starUnit = unit;
    } else if (part !== undefined && fits(part as Part, units[unit] as Unit)) {
      at++;
      unit++;
    } else if (afterStar >= 0) {
      at = afterStar;
      unit = ++starUnit;
    } else {
      return false;
    }
  }
  while (pattern[at] === star) at++;
  return at === pattern.length;
}
