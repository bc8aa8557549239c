/** From the options of `varve snapshot` to what the engine is asked for. */
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { VarveError } from "../../base/errors.ts";
import { type RawPath, rawPathFromText, toFsPath } from "../../base/raw-path.ts";
import type { SnapshotOptions } from "../../engine/snapshot.ts";
import {
  cacheFolderRule,
  ExcludeRules,
  parseExcludeFile,
  parsePresenceRule,
} from "../../sources/exclude.ts";
import { expandSources } from "../../sources/source-globs.ts";
import { normalizePath } from "../../sources/source-plan.ts";
import type { CliContext } from "../context.ts";
import { rawArgument, sourcePath } from "../path-arguments.ts";
import { parseTime } from "../time-parse.ts";
import type { SnapshotFlags } from "./snapshot.ts";

export function snapshotRequest(
  context: CliContext,
  args: readonly string[],
  flags: SnapshotFlags,
  repositoryUrl: string,
): SnapshotOptions {
  const named = args.map((text) => plainRoot(normalizePath(sourcePath(text))));
  const { paths: roots, absent } = expandSources(named);
  const { threads, cacheDir } = context.globals;
  return {
    roots,
    absent,
    seriesPaths: [...new Set(named)],
    walk: {
      excludes: new ExcludeRules([
        ...excludeRules(flags),
        ...ownFolders([repositoryUrl, cacheDir]),
      ]),
      excludeIfPresent: presenceRules(flags),
      excludeLargerThan: flags.excludeLargerThan,
      oneFileSystem: flags.oneFileSystem === true,
    },
    host: flags.host ?? context.system.host().hostname,
    tags: [...new Set(flags.tag ?? [])],
    ...(flags.series === undefined ? {} : { seriesName: flags.series }),
    ...(flags.time === undefined ? {} : { timeNs: timeOf(context, flags.time) }),
    dryRun: flags.dryRun === true,
    force: flags.force === true,
    ignoreCtime: flags.ignoreCtime === true,
    ignoreInode: flags.ignoreInode === true,
    skipIfUnchanged: flags.skipIfUnchanged === true,
    ...(threads === undefined ? {} : { threads }),
    ...(flags.compression === undefined ? {} : { compressionLevel: flags.compression }),
  };
}

function timeOf(context: CliContext, text: string): bigint {
  return parseTime(text, { nowNs: context.clock.nowNs(), zone: context.zone, dayMeans: "start" });
}

/**
 * "/home/" is "/home", so that both are one series; only behind a link the slash means something.
 */
function plainRoot(path: RawPath): RawPath {
  if (!path.endsWith("/") || path === "/") return path;
  const plain = path.slice(0, -1) as RawPath;
  const isLink = lstatSync(toFsPath(plain), { throwIfNoEntry: false })?.isSymbolicLink();
  return isLink === true ? path : plain;
}

/** Files first, so that patterns on the command line, being last, decide. */
function excludeRules(flags: SnapshotFlags): RawPath[] {
  const fromFiles = (flags.excludeFile ?? []).flatMap(readExcludeFile);
  return [...fromFiles, ...(flags.exclude ?? []).map(rawArgument)];
}

function readExcludeFile(path: string): RawPath[] {
  let content: Uint8Array;
  try {
    content = readFileSync(toFsPath(rawArgument(path)));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unreadable";
    throw new VarveError("usage", `Cannot read the exclude file ${path}: ${reason}.`, {
      hint: "Check its name and its permissions.",
      cause,
    });
  }
  return parseExcludeFile(content);
}

function presenceRules(flags: SnapshotFlags) {
  const named = (flags.excludeIfPresent ?? []).map((text) => parsePresenceRule(rawArgument(text)));
  return flags.excludeCaches === true ? [cacheFolderRule, ...named] : named;
}

/**
 * The repository and the cache do not go into the snapshot: a home that holds them would grow by
 * what each snapshot adds.
 */
function ownFolders(places: readonly string[]): RawPath[] {
  const folders = places
    .map((place) => place.replace(/^file:\/\//, ""))
    .filter((place) => isAbsolute(place) || !/^[a-z0-9]+:/i.test(place))
    .map((place) => resolve(place));
  const real = folders.flatMap((folder) => {
    try {
      return [realpathSync(folder)];
    } catch {
      return [];
    }
  });
  return [...new Set([...folders, ...real])].map((folder) => {
    const literal = rawPathFromText(folder).replace(/[*?[\]\\]/g, "\\$&");
    return `${literal}/**` as RawPath;
  });
}
