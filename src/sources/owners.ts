/**
 * Names of owners, remembered: a tree has few owners, and asking the system may mean a question
 * over the network. Bounded; for the main thread only (linux/owner-calls.ts).
 */
import { groupName, userName } from "./linux/owner-calls.ts";

const namesMax = 10_000;

class NameCache {
  readonly #find: (id: number) => string;
  readonly #names = new Map<number, string>();
  #lastId = -1;
  #lastName = "";

  constructor(find: (id: number) => string) {
    this.#find = find;
  }

  name(id: number): string {
    if (id === this.#lastId) return this.#lastName;
    let name = this.#names.get(id);
    if (name === undefined) {
      name = this.#find(id);
      if (this.#names.size >= namesMax) this.#names.clear();
      this.#names.set(id, name);
    }
    this.#lastId = id;
    this.#lastName = name;
    return name;
  }
}

export class OwnerNames {
  readonly #users = new NameCache(userName);
  readonly #groups = new NameCache(groupName);

  /** "" when the number has no name. */
  user(uid: number): string {
    return this.#users.name(uid);
  }

  /** "" when the number has no name. */
  group(gid: number): string {
    return this.#groups.name(gid);
  }
}
