/** Opens the repository that the options name, runs an operation on it, and closes it. */
import { hasCode, VarveError } from "../base/errors.ts";
import type { Secret } from "../repo/crypto/kek.ts";
import type { Repository } from "../repo/repository.ts";
import type { CliContext } from "./context.ts";
import {
  noDefaultRepository,
  obtainFirstKey,
  obtainPassword,
  type RepositoryLocation,
  repositoryLocation,
} from "./repository-location.ts";

export interface OpenRepositoryOptions {
  /** Believe nothing that earlier runs left in the cache. */
  readonly freshCache?: boolean;
  /** `snapshot` only: make the default repository where there is none. */
  readonly createDefault?: boolean;
}

/** How the default repository came to be in this run. */
export interface CreatedRepository {
  readonly url: string;
  readonly keyFile: string | undefined;
}

export interface OpenedRepository {
  readonly repository: Repository;
  readonly location: RepositoryLocation;
  /** What opened it. */
  readonly secret: Secret;
  /** Set when this run made it. */
  readonly created: CreatedRepository | undefined;
}

export async function withRepository<T>(
  context: CliContext,
  work: (opened: OpenedRepository) => Promise<T>,
  options: OpenRepositoryOptions = {},
): Promise<T> {
  const opened = await openOrCreate(context, options);
  const { repository } = opened;
  try {
    return await work(opened);
  } catch (error) {
    const { asCacheError } = await import("../repo/cache/cache-database.ts");
    throw asCacheError(error, repository.cache.folder);
  } finally {
    await repository.close();
  }
}

/** Loads the index, with a progress line if that takes more than a glance at the store. */
export async function loadIndex(context: CliContext, repository: Repository): Promise<void> {
  const load = () => repository.loadIndex(context.signal);
  await context.withProgress("index", load, { waits: true });
}

async function openOrCreate(
  context: CliContext,
  options: OpenRepositoryOptions,
): Promise<OpenedRepository> {
  const location = repositoryLocation(context);
  try {
    return { ...(await openNamed(context, location, options)), location, created: undefined };
  } catch (error) {
    if (!location.isDefault || !hasCode(error, "repo-absent")) throw error;
    if (options.createDefault !== true) throw noDefaultRepository(location.url, error);
  }
  const created = await createDefault(context, location.url);
  return { ...(await openNamed(context, location, options)), location, created };
}

/** A second repository, besides that of `withRepository`; the one that is named here. */
export async function withOther<T>(
  context: CliContext,
  location: RepositoryLocation,
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  const { repository } = await openNamed(context, location, {}).catch((error: unknown) => {
    if (!hasCode(error, "password-wrong")) throw error;
    const message = `No key of the repository at ${location.url} opens with the password for it.`;
    const { hint = "", context: facts } = error;
    throw new VarveError("password-wrong", message, { hint, context: facts, cause: error });
  });
  try {
    return await work(repository);
  } catch (error) {
    const { asCacheError } = await import("../repo/cache/cache-database.ts");
    throw asCacheError(error, repository.cache.folder);
  } finally {
    await repository.close();
  }
}

async function openNamed(
  context: CliContext,
  location: RepositoryLocation,
  options: OpenRepositoryOptions,
): Promise<Pick<OpenedRepository, "repository" | "secret">> {
  const [{ openStore }, { descriptionName, openRepository }, { parseSecret }] = await Promise.all([
    import("../repo/store/open-store.ts"),
    import("../repo/repository.ts"),
    import("../repo/crypto/kek.ts"),
  ]);
  const { clock, random, host } = context.system;
  const store = await openStore(location.url, {
    clock,
    random,
    interrupt: context.signal,
    environment: context.system.env,
  });
  try {
    const password = await obtainPassword(context, location, async () => {
      await store.size(descriptionName).catch((error) => absent(location.url, error));
    });
    const secret = parseSecret(password);
    const repository = await openRepository({
      store,
      secret,
      cacheDir: context.globals.cacheDir,
      clock,
      random,
      host: host(),
      onIndexProgress: (bytes, bytesTotal) =>
        context.output.progress?.update({ phase: "index", bytes, bytesTotal }),
      freshCache: options.freshCache === true,
    });
    return { repository, secret };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** An object that is not there means here that no repository is. */
function absent(url: string, cause: unknown): never {
  if (!hasCode(cause, "object-absent")) throw cause;
  throw new VarveError("repo-absent", `There is no repository at ${url}.`, {
    hint: "Check the location, or make one with `varve init`.",
    cause,
  });
}

/**
 * Key file first: a crash in between leaves a key that the next try uses. Undefined when another
 * first snapshot made the repository at the same time.
 */
async function createDefault(
  context: CliContext,
  url: string,
): Promise<CreatedRepository | undefined> {
  const { createRepository } = await import("./create-repository.ts");
  const { password, keyFile } = await obtainFirstKey(context);
  const label = keyFile === undefined ? "first" : "key file";
  try {
    await (await createRepository(context, { url, password, label })).close();
  } catch (error) {
    if (hasCode(error, "repo-exists")) return undefined;
    throw error;
  }
  return { url, keyFile };
}
