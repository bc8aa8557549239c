/** What is timed, and the targets: data for the runner and for the report. */

export interface Work {
  readonly name: string;
  /** The data set, or the prepared repository. */
  readonly set: string;
  /** What is done with it. */
  readonly step: string;
  readonly title: string;
  /** Wall time that varve is to reach, against the better of the peers with their defaults. */
  readonly target?: number;
  /** The same against restic, for the table of bench/README.md. */
  readonly resticTarget?: number;
}

export const setTitles: Readonly<Record<string, string>> = {
  tree: "Linux source",
  usr: "/usr",
  large: "one file of 4 GiB, half random",
  image: "disk image, 4 GiB of ext4",
  dump: "PostgreSQL dump",
  base: "PostgreSQL base backup",
  million: "1,000,000 small files",
  node: "node_modules",
  list: "1,000 snapshots",
  history: "20 snapshots of the Linux source",
};

const first = 0.4;
const unchanged = 0.25;
const restore = 0.5;

function work(
  set: string,
  step: string,
  title: string,
  targets: Pick<Work, "target" | "resticTarget"> = {},
): Work {
  return { name: `${set}-${step}`, set, step, title, ...targets };
}

/** Steps of a data set that make a snapshot; the others read one. */
const snapshotSteps = ["first", "again", "changed", "next", "clustered"];
export const isSnapshot = (each: Work) => snapshotSteps.includes(each.step);

/** The works of each set are in the order in which they are done. */
export const works: readonly Work[] = [
  work("tree", "first", "first snapshot, Linux tree", { target: first, resticTarget: 0.5 }),
  work("tree", "again", "the same again, nothing changed", {
    target: unchanged,
    resticTarget: 0.35,
  }),
  work("tree", "restore", "full restore to an empty folder", {
    target: restore,
    resticTarget: 0.7,
  }),
  work("tree", "changed", "again with 1 % of the files changed", { resticTarget: 0.4 }),
  work("tree", "next", "the next version of Linux", { target: 0.4 }),
  work("usr", "first", "first snapshot", { target: first }),
  work("usr", "again", "nothing changed", { target: unchanged }),
  work("usr", "restore", "full restore", { target: restore }),
  work("large", "first", "first snapshot of one 4 GiB file", { resticTarget: 0.6 }),
  work("image", "first", "first snapshot", { target: first }),
  work("image", "again", "nothing changed", { target: unchanged }),
  work("image", "next", "after an update in it"),
  work("image", "restore", "full restore", { target: restore }),
  work("image", "check", "`check --read-data`", { target: 0.6 }),
  work("dump", "first", "first snapshot", { target: first }),
  work("dump", "next", "1 % of the rows changed, all over", { target: 0.4 }),
  work("dump", "clustered", "1 % changed in one stretch", { target: 0.4 }),
  work("dump", "restore", "full restore", { target: restore }),
  work("base", "first", "first snapshot", { target: first }),
  work("base", "next", "after both changes"),
  work("base", "restore", "full restore", { target: restore }),
  work("million", "first", "first snapshot", { target: first }),
  work("million", "again", "nothing changed", { target: unchanged }),
  work("million", "one", "restore of one file", { target: 0.3 }),
  work("million", "restore", "full restore", { target: restore }),
  work("node", "first", "first snapshot", { target: first }),
  work("node", "again", "nothing changed", { target: unchanged }),
  work("node", "next", "after `npm install` of newer versions"),
  work("node", "restore", "full restore", { target: restore }),
  {
    ...work("list", "key", "`snapshots`, 1,000 of them, key file", {
      target: 0.4,
      resticTarget: 0.5,
    }),
    name: "list",
  },
  work("list", "passphrase", "`snapshots`, 1,000 of them, passphrase", {
    target: 1,
    resticTarget: 1,
  }),
  { ...work("history", "check", "`check`, 20 snapshots", { resticTarget: 0.8 }), name: "check" },
  {
    ...work("history", "check-data", "`check --read-data`, 20 snapshots", { target: 0.6 }),
    name: "check-data",
  },
  {
    ...work("history", "prune", "`prune` after forgetting half of 20", {
      target: 0.5,
      resticTarget: 0.8,
    }),
    name: "prune",
  },
];
