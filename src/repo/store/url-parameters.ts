/**
 * The parameters of a store's URL, by a table of what each may be. A refusal repeats nothing of
 * what was written, since a secret may stand in it.
 */
import { VarveError } from "../../base/errors.ts";

/** For each name a pattern, and how the refusal says it. */
export type ParameterTable = Readonly<Record<string, readonly [pattern: RegExp, form: string]>>;

/** What far stores have in common. */
export const transferParameters: ParameterTable = {
  requests: [/^([1-9]|[1-9]\d|1\d\d|2[0-4]\d|25[0-6])$/, "from 1 to 256"],
  "limit-upload": [/^\d{1,9}[KMG]?$/, "bytes a second, such as 500K or 2M"],
  "limit-download": [/^\d{1,9}[KMG]?$/, "bytes a second, such as 500K or 2M"],
  "retry-seconds": [/^\d{1,6}$/, "seconds"],
  "stall-seconds": [/^[1-9]\d{0,5}$/, "seconds, at least 1"],
};

export interface TransferLimits {
  /** How many calls that move many bytes may be under way at once. */
  readonly requests: number;
  /** Bytes a second, all calls together. */
  readonly limitUpload: number | undefined;
  readonly limitDownload: number | undefined;
  /** How long a call is tried again. */
  readonly retryMs: number;
  /** How long nothing may move. */
  readonly stallMs: number;
}

/** Errors: `usage`; `kind` is what messages call the URL. */
export function parametersOf(
  search: URLSearchParams,
  table: ParameterTable,
  kind: string,
): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of search) {
    const rule = Object.hasOwn(table, name) ? table[name] : undefined;
    if (rule === undefined) {
      throw new VarveError("usage", `A parameter of this ${kind} is not known.`, {
        hint: `Known are: ${Object.keys(table).join(", ")}.`,
      });
    }
    const [pattern, form] = rule;
    if (values.has(name) || !pattern.test(value)) {
      throw new VarveError("usage", `The parameter ${name} of this ${kind} is not right.`, {
        hint: `It stands once, and is ${form}.`,
      });
    }
    values.set(name, value);
  }
  return values;
}

export function transferLimits(
  values: ReadonlyMap<string, string>,
  requestsDefault: number,
): TransferLimits {
  const seconds = (name: string, fallback: number) => Number(values.get(name) ?? fallback) * 1000;
  return {
    requests: Number(values.get("requests") ?? requestsDefault),
    limitUpload: rateOf(values.get("limit-upload")),
    limitDownload: rateOf(values.get("limit-download")),
    retryMs: seconds("retry-seconds", 900),
    stallMs: seconds("stall-seconds", 60),
  };
}

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

function rateOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const unit = /[KMG]$/.exec(value)?.[0] ?? "";
  const rate = Number(value.slice(0, value.length - unit.length)) * (units[unit] ?? 1);
  return rate === 0 ? undefined : rate;
}
