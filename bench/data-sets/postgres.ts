/**
 * A shop's database in a real PostgreSQL that runs for as long as it takes, in a folder of its own
 * and without a network port: dumps by pg_dump, and base backups by pg_basebackup, before and after
 * one percent of the rows was updated.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { output } from "../measure.ts";

const binaries = "/usr/lib/postgresql";

/** Rows at scale 1: a plain dump of 0.8 GB. */
const customers = 600_000;
const orders = 2_000_000;
const items = 7_000_000;

/** Texts as people write them, of words that repeat, and numbers as a shop has them. */
function schema(scale: number): string {
  const rows = (count: number) => Math.round(count * scale);
  const words =
    "'small large red blue green cotton steel wooden fast quiet used new double light heavy " +
    "garden kitchen office winter summer spare extra classic modern'";
  const word = (seed: string) => `w[1 + abs(hashint4(${seed})) % 24]`;
  return `
    CREATE TABLE words AS SELECT string_to_array(${words}, ' ') AS w;
    CREATE TABLE customers AS SELECT id,
      'user' || abs(hashint4(id)) % 1000000 || '@mail' || id % 97 || '.example' AS mail,
      initcap(${word("id")}) || ' ' || initcap(${word("id * 3")}) AS name,
      md5(id::text) AS password, ${word("id * 5")} || ' street ' || id % 300 AS street,
      timestamp '2021-01-01' + id * interval '97 seconds' AS since, 0 AS visits
      FROM generate_series(1, ${rows(customers)}) AS id, words;
    CREATE TABLE orders AS SELECT id, 1 + abs(hashint4(id)) % ${rows(customers)} AS customer,
      timestamp '2022-01-01' + id * interval '41 seconds' AS placed,
      (array['open','paid','sent','done'])[1 + id % 4] AS state,
      ${word("id * 7")} || ' ' || ${word("id * 11")} || ' ' || ${word("id * 13")} AS note,
      abs(hashint4(id * 17)) % 1000000 / 100.0 AS total
      FROM generate_series(1, ${rows(orders)}) AS id, words;
    CREATE TABLE items AS SELECT id, 1 + id * ${orders / items} AS "order",
      abs(hashint4(id)) % 50000 AS product,
      ${word("id * 19")} || ' ' || ${word("id * 23")} || ' no. ' || abs(hashint4(id * 29)) % 50000
        AS title, 1 + id % 5 AS number, abs(hashint4(id * 31)) % 100000 / 100.0 AS price
      FROM generate_series(1, ${rows(items)}) AS id, words;
    ALTER TABLE customers ADD PRIMARY KEY (id); ALTER TABLE orders ADD PRIMARY KEY (id);
    ALTER TABLE items ADD PRIMARY KEY (id);`;
}

/**
 * An update of the rows that `where` picks, as a shop makes them. There is no VACUUM after it, as
 * autovacuum waits for a fifth of the rows: new versions of rows go to the end of their table.
 */
const update = (where: string) => `
  UPDATE customers SET visits = visits + 1, street = street || ' b' WHERE ${where};
  UPDATE orders SET state = 'back', total = total + 1 WHERE ${where};
  UPDATE items SET number = number + 1, price = price + 1 WHERE ${where};`;

const uniform = update("abs(hashint4(id)) % 100 = 7");
/** One percent of the ids of `table`, all in one stretch. */
function clusteredUpdate(table: string, column: string, rows: number): string {
  const start = Math.round(rows * 0.6);
  const where = `id BETWEEN ${start} AND ${start + Math.round(rows * 0.01)}`;
  return `UPDATE ${table} SET ${column} = ${column} + 1 WHERE ${where};`;
}

const clustered = (scale: number) => `
  ${clusteredUpdate("customers", "visits", customers * scale)}
  ${clusteredUpdate("orders", "total", orders * scale)}
  ${clusteredUpdate("items", "price", items * scale)}`;

class Server {
  readonly #folder: string;
  readonly #bin: string;

  constructor() {
    const [version] = readdirSync(binaries).sort((a, b) => Number(b) - Number(a));
    this.#bin = join(binaries, version ?? "", "bin");
    // Not below the work folder: the server's user may not be allowed to go there.
    this.#folder = mkdtempSync(join(tmpdir(), "varve-bench-postgres-"));
    if (process.getuid?.() === 0) output({ argv: ["chown", "postgres", this.#folder], env: {} });
    this.#asServer("initdb", "-D", this.#data, "-U", "postgres", "--auth=trust", "-E", "UTF8");
    const settings = [
      "listen_addresses=",
      `unix_socket_directories=${this.#folder}`,
      "fsync=off",
      "max_wal_size=4GB",
      "autovacuum=off", // it would come after the first filling, at a moment of its own
    ];
    const flags = settings.map((setting) => `-c ${setting}`).join(" ");
    this.#asServer(
      "pg_ctl",
      "-D",
      this.#data,
      "-w",
      "-l",
      join(this.#folder, "log"),
      "-o",
      flags,
      "start",
    );
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  /** PostgreSQL refuses to run as root. */
  #asServer(name: string, ...args: string[]): void {
    const user =
      process.getuid?.() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres"] : [];
    const groups = user.length > 0 ? ["--clear-groups"] : [];
    const argv = [...user, ...groups, join(this.#bin, name), ...args];
    output({ argv: ["sh", "-c", '"$@" </dev/null >/dev/null', "sh", ...argv], env: {}, cwd: "/" });
  }

  #client(name: string, ...args: string[]): void {
    output({
      argv: [join(this.#bin, name), "-h", this.#folder, "-U", "postgres", ...args],
      env: {},
    });
  }

  sql(text: string): void {
    const statements = text.split(";").filter((each) => each.trim() !== "");
    // One after the other: VACUUM refuses to share a transaction.
    const commands = statements.flatMap((each) => ["-c", each]);
    this.#client("psql", "-q", "-v", "ON_ERROR_STOP=1", ...commands);
  }

  dump(folder: string): void {
    mkdirSync(folder);
    this.#client("pg_dump", "-f", join(folder, "shop.sql"), "postgres");
  }

  baseBackup(folder: string): void {
    this.#client("pg_basebackup", "-Ft", "-X", "none", "-c", "fast", "-D", folder);
  }

  remove(): void {
    try {
      this.#asServer("pg_ctl", "-D", this.#data, "-m", "immediate", "stop");
    } finally {
      rmSync(this.#folder, { recursive: true });
    }
  }
}

/**
 * Makes in `folder`: dump/v1, v2 (one percent of the rows updated, all over the tables), v3 (then
 * one percent in one stretch), each with shop.sql; and base/v1, v2, at the times of dumps 1 and 3.
 */
export function makeDatabase(folder: string, scale = 1): void {
  const [dump, base] = [join(folder, "dump"), join(folder, "base")];
  for (const path of [dump, base]) mkdirSync(path);
  const server = new Server();
  try {
    server.sql(schema(scale));
    server.sql("VACUUM ANALYZE; CHECKPOINT");
    server.dump(join(dump, "v1"));
    server.baseBackup(join(base, "v1"));
    server.sql(uniform);
    server.dump(join(dump, "v2"));
    server.sql(clustered(scale));
    server.dump(join(dump, "v3"));
    server.baseBackup(join(base, "v2"));
  } finally {
    server.remove();
  }
}

/** Rows that autovacuum lets die, in percent, before it makes their room free. */
const deadPercentMax = 20;

/**
 * Makes v1, v2, … in `folder`, each with shop.sql: the database, and on each of the following
 * `days` after another percent of its rows, all over the tables, was updated. What dies is cleared
 * away when autovacuum would do it.
 */
export function makeDailyDumps(folder: string, days: number, scale: number): void {
  const server = new Server();
  try {
    server.sql(schema(scale));
    server.sql("VACUUM ANALYZE; CHECKPOINT");
    server.dump(join(folder, "v1"));
    for (let day = 1; day <= days; day++) {
      server.sql(update(`abs(hashint4(id + ${day * 10_000_019})) % 100 = 7`));
      if (day % deadPercentMax === 0) server.sql("VACUUM ANALYZE");
      server.dump(join(folder, `v${day + 1}`));
    }
  } finally {
    server.remove();
  }
}
