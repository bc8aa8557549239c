/** Names of owners are those of the system's user database. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { OwnerNames } from "../../src/sources/owners.ts";

const rows = (file: string) =>
  fs
    .readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .filter((fields) => fields.length > 2)
    .map(([name = "", , id]) => ({ name, id: Number(id) }));

/** The first name of a number counts. */
const nameOf = (all: { name: string; id: number }[], id: number) =>
  all.find((row) => row.id === id)?.name;

test("users and groups have their names, others none", () => {
  const owners = new OwnerNames();
  const users = rows("/etc/passwd");
  const groups = rows("/etc/group");
  assert.ok(users.length > 1 && groups.length > 1);
  for (let round = 0; round < 2; round++) {
    for (const { id } of users) assert.equal(owners.user(id), nameOf(users, id));
    for (const { id } of groups) assert.equal(owners.group(id), nameOf(groups, id));
    assert.equal(owners.user(3_999_999_999), "");
    assert.equal(owners.group(3_999_999_999), "");
  }
});

test("many numbers do not pile up wrong names", () => {
  const owners = new OwnerNames();
  for (let id = 2_000_000_000; id < 2_000_012_000; id++) assert.equal(owners.user(id), "");
  assert.equal(owners.user(0), "root");
});
