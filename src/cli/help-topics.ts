/** What `varve help` teaches: the tour, and topics that belong to no single command. */
import type { Command } from "commander";
import { exitCodeMeanings } from "./exit-code.ts";

export interface HelpTopic {
  readonly title: string;
  readonly text: string;
}

const patterns = `
Patterns choose paths for --exclude, --exclude-file and \`varve find\`.

  *.tmp              a name without a slash fits in every folder
  a/b                these names, in every folder
  /home/*/Downloads  with a slash at the beginning: from the top
  cache/             with a slash at the end: only folders
  src/**/build       ** stands for any number of folders, also none
  /tmp/**            everything in the folder, but not the folder itself
  ?  *  [a-z]  [!a]  one character, any number, one of a set or not; never a slash
  !important.tmp     an exception: of all patterns the last one that fits counts

What is excluded is not looked into, so an exception below it has no effect: exclude '/dir/*' and
add '!/dir/keep'. A path that is named on the command line is always taken. In a file of
patterns, empty lines and lines that begin with # do not count. Quote patterns, so that the shell
leaves them alone.

Folders can also exclude their content themselves: --exclude-caches heeds CACHEDIR.TAG
(bford.info/cachedir), --exclude-if-present NAME any file that you choose; NAME:TEXT wants it to
begin so.

Paths to snapshot may be patterns too: varve snapshot '/var/www/*/upload'.
`;

const time = `
Times are given to --at, --time, --newer and --older. Without a zone they are local.

  2026-11-20                            a day
  "2026-11-20 14:30"                    also 14:30:05, 14:30:05.25, with a T between
  2026-11-20T14:30:00+01:00             in a stated zone; Z and UTC as well
  today, yesterday, "yesterday 18:00"   18:00 alone is today's
  2h, 3d, 1w2d, 30min, 2mo, 1y          so long ago; "2 days ago" reads the same
  now, @1763645400                      this moment; seconds since 1970

\`restore --at 2026-11-20\` means the end of that day: the newest snapshot that was taken on it
or before. For --time, --newer and --older a day is its beginning.

A day ago is the same time of day, also where clocks changed in between; 24h is 24 hours. A time
that a clock change skips means the same distance after it; one that comes twice means the first.
m alone is refused, because it could be minutes (min) or months (mo).
`;

const retention = `
\`varve prune\` with keep options forgets snapshots; whatever any option keeps stays. Without a
keep option nothing is forgotten.

  --keep-last 3                  the three newest
  --keep-daily 7                 the newest of each of the last 7 days that have a snapshot
  --keep-hourly, -weekly, -monthly, -yearly     the same for hours, ISO weeks, months and years
  --keep-within 30d              all that are less than 30 days older than the newest
  --keep-within-weekly 1y        of those within a year the newest of each week
  --keep-tag release             all that have this tag; a,b wants both

Each series is judged by itself. A series is what a snapshot is of: the paths on a host, or the
name given with --series. Days on which nothing was snapshotted use nothing up: a laptop that
sleeps for a month keeps its seven days. Durations (years, months, weeks, days, hours:
2y5m1w7d3h) count from the newest snapshot of the series, so a source that is gone keeps its last
snapshots.

Days and hours are those of one zone, the local one or --time-zone: state it when hosts in
several zones prune one repository. "unlimited" as a count keeps all periods.

--dry-run prints for each snapshot which option keeps it. Rules that would remove every snapshot
of a series are refused without --force.
`;

const repository = `
Without --repo and VARVE_REPO, varve uses the repository in your data folder, which the first
\`varve snapshot\` makes (~/.local/share/varve/repository), together with its key file
(~/.config/varve/key). That helps against a slip of the finger, not against a broken disk.

  varve init --repo /mnt/disk/backup        a repository elsewhere, with a password
  export VARVE_REPO=/mnt/disk/backup        spares --repo
  varve help s3                             a repository in an object store
  varve help sftp                           a repository behind SSH
  varve help rclone                         anywhere else that rclone gets to

The password or key comes from the first of these that is given: --password-file,
--password-command, VARVE_PASSWORD_FILE, VARVE_PASSWORD_COMMAND, VARVE_PASSWORD; then, for the
default repository, from its key file; then from you, if there is a terminal. A password file may
hold a password or be a key file. A password command is split into words and run without a shell:
write sh -c '…' where you need one.

A password is stretched (Argon2id), which takes half a second; a key file is random and opens at
once. Passwords are never taken from the command line, where others could see them.

A local cache (~/.cache/varve, VARVE_CACHE_DIR) makes things fast. It may be deleted at any time.
`;

const s3 = `
A repository may lie in a bucket of Amazon S3, or of whatever speaks as it does (Ceph, MinIO,
Garage, R2, B2). The bucket has to be there; quote the location, since it holds ? and &.

  export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
  export VARVE_REPO='s3://bucket/path?region=eu-central-1'
  export VARVE_REPO='s3://bucket/path?endpoint=https://minio.example:9000'

Credentials come from where the AWS SDK looks for them: these variables, AWS_PROFILE and
~/.aws, the role of the machine. They are never part of the location.

  endpoint=URL           the server, where it is not Amazon's; https unless it begins with http://
  region=NAME            of the bucket; otherwise from AWS_REGION or the profile
  path-style=true|false  whether the bucket stands in the path; true where there is an endpoint
  profile=NAME           credentials of this profile
  ca=FILE                certificates (PEM) to trust besides the usual ones
  storage-class=NAME     of packs; all else stays in STANDARD. A class that has to be brought
                         back before it is read (GLACIER) is only for what is hardly read
  sse=AES256|aws:kms     encryption by the server, with sse-kms-key-id=ID for a key of yours
  object-lock=governance|compliance, object-lock-days=N
                         nobody deletes what is stored before N days have passed
  requests=N             at once; 16 without
  limit-upload=RATE, limit-download=RATE
                         bytes a second, all requests together: 500K, 2M
  retry-seconds=N        how long a request is tried again; 900 without
  stall-seconds=N        how long a connection may stand still; 60 without

Credentials need to list the bucket, and to read and write below the path. prune and forget
delete as well; snapshot never has to. A bucket may hold several repositories, each below a path
of its own.
`;

const sftp = `
A repository may lie in a folder of any host that you can log in to by SSH with a key.

  export VARVE_REPO=sftp://me@host/srv/backup       from the root of that host
  export VARVE_REPO=sftp://me@host:2222/~/backup    from my folder there

The host has to be known: its key stands in ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts, or the
file that VARVE_SSH_KNOWN_HOSTS or ?known-hosts= names. A host that is not known is refused, with
the command that adds it. ~/.ssh/config is not read.

You log in with what an agent holds (SSH_AUTH_SOCK), or with ~/.ssh/id_rsa, id_ecdsa or id_ed25519.
The passphrase of a key comes from VARVE_SSH_PASSPHRASE, or from a file that
VARVE_SSH_PASSPHRASE_FILE names. Passwords are not taken.

  identity=FILE          this private key, and what an agent holds
  passphrase-file=FILE   with the passphrase of the key
  known-hosts=FILE       the keys of hosts, instead of the usual files
  requests=N             transfers at once; 8 without
  limit-upload=RATE, limit-download=RATE
                         bytes a second, all transfers together: 500K, 2M
  retry-seconds=N        how long a lost connection is made again; 900 without
  stall-seconds=N        how long the server may say nothing; 60 without

On OpenSSH's server objects are durable, and replaced whole. Other servers may lack what that
takes: without fsync@openssh.com a power cut may take what was stored just before, and without
posix-rename@openssh.com the lease of a run is written in place. A server that shows in a list only
later what was written is not fit for it.
`;

const rclone = `
Where rclone gets to, a repository may lie: FTP, WebDAV, SMB, Google Drive, Dropbox and others.

  rclone config                                     gives a remote a name, with what it needs
  export VARVE_REPO=rclone:REMOTE:path              as rclone calls it, after "rclone:"

varve runs the rclone that is found (VARVE_RCLONE names another; 1.60 or newer), with your
configuration of it (RCLONE_CONFIG), and ends it in the end. Its own settings come from RCLONE_…
variables: RCLONE_BWLIMIT, RCLONE_TRANSFERS. Where the configuration is encrypted, give
RCLONE_CONFIG_PASS. What is stored passes through a file in TMPDIR, sealed as it is.

A remote promises less than the other stores. Whether what was stored survives a power cut there is
its affair. With rclone before 1.63, on remotes that are folders (FTP, SMB, WebDAV), the lease of a
run may be met half-written; its run then starts again. Remotes that show in a list only later
what was written are not fit for repositories that are pruned while others write.
`;

const json = `
With --json, commands print one JSON object on standard output; snapshots, ls, find, diff, key
list and sessions print one object a line. Errors are {"error":{"code","message","hint"}} on
standard error. Codes and fields are stable and are listed in docs/errors.md and docs/json.md.
Times are UTC in ISO 8601 with nanoseconds, sizes are bytes.

  varve snapshots --json | jq -r 'select(.problems > 0) | .id'
  varve ls --recursive --json latest | jq -s 'map(.size) | add'
`;

function exitCodes(): string {
  const lines = Object.entries(exitCodeMeanings).map(
    ([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`,
  );
  return `\n${lines.join("\n")}\n`;
}

export const helpTopics: Readonly<Record<string, HelpTopic | undefined>> = {
  patterns: { title: "Patterns", text: patterns },
  time: { title: "Times", text: time },
  retention: { title: "Retention", text: retention },
  repository: { title: "Repositories, passwords and keys", text: repository },
  s3: { title: "Object stores: s3://", text: s3 },
  sftp: { title: "Folders behind SSH: sftp://", text: sftp },
  rclone: { title: "Remotes of rclone: rclone:", text: rclone },
  json: { title: "JSON", text: json },
  "exit-codes": { title: "Exit codes", text: exitCodes() },
};

/** The five-minute tour. */
export const tourSteps = `
Five minutes with varve

  varve snapshot ~/letters                     makes a repository and a key, stores the folder
  varve snapshot ~/letters                     later: stores only what changed
  varve snapshots                              what there is
  varve ls --recursive latest                  look inside without restoring
  varve diff latest~1 latest                   what changed in between
  varve find 'draft*'                          which snapshots have it

  varve restore --target /tmp/back             the newest, whole
  varve restore --at "yesterday 18:00" --target /tmp/then ~/letters
  varve dump latest ~/letters/draft            one file, to the terminal

  varve prune --keep-daily 7 --dry-run         which snapshot is kept by which rule
  varve prune --keep-daily 7 --keep-monthly 12 forget the others, give their space back
  varve check --read-data                      is every byte there, and right?

A snapshot is named by the beginning of its id, by latest, or by latest~1 for the one before.
Keep a copy of the key somewhere else. Without it a backup is noise.
`;

/** `varve help` without a name. */
export function tour(program: Command): string {
  const commands = program.commands.map(
    (command) => `  ${command.name().padEnd(12)}${command.summary()}`,
  );
  const topics = Object.entries(helpTopics).map(
    ([name, topic]) => `  ${name.padEnd(12)}${topic?.title ?? ""}`,
  );
  const parts = [
    program.description(),
    tourSteps.trim(),
    `Commands (varve help COMMAND)\n\n${commands.join("\n")}`,
    `Topics (varve help TOPIC)\n\n${topics.join("\n")}`,
  ];
  return parts.join("\n\n");
}
