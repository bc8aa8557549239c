/**
 * Calls of the SDK as the store makes them: a bounded number at once, tried again inside the
 * budget, failures told in varve's words.
 *
 * The SDK is loaded, and the certificates are read, at the first call: whoever uses a local folder
 * pays nothing. Its own retries are off, since they know no budget of time; it still corrects the
 * clock that it signs with. A store that has never answered is given up early: a slip in the
 * endpoint should not take a quarter of an hour to show.
 */
import { readFile } from "node:fs/promises";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import type { Clock, Random } from "../../../base/clock.ts";
import { VarveError } from "../../../base/errors.ts";
import { BoundedPool } from "../../../base/pool.ts";
import { ByteRate } from "../byte-rate.ts";
import { retried } from "../retry.ts";
import { type S3Attempt, s3Error } from "./s3-errors.ts";
import { failureOf, retryOf } from "./s3-failure.ts";
import type { S3Location } from "./s3-location.ts";
import type { S3Transport, TransferOptions } from "./s3-transport.ts";

export type Sdk = typeof import("@aws-sdk/client-s3");

/** Makes a request; called anew for each attempt. */
export type Request<O> = (sdk: Sdk, client: S3Client, options: TransferOptions) => Promise<O>;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly bytesMax?: number;
  readonly into?: ArrayBuffer | undefined;
  /** Moves many bytes: kept from taking the place of small requests, such as a lease's beat. */
  readonly isBulk?: boolean;
}

export interface S3CallsOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** When it is aborted there is little time left. */
  readonly interrupt: AbortSignal | undefined;
}

interface Connection {
  readonly sdk: Sdk;
  readonly client: S3Client;
}

/** Requests for which there is always a place. */
const smallMax = 4;
/** Until the store has answered once. */
const firstBudgetMs = 20_000;

export class S3Calls {
  readonly #location: S3Location;
  readonly #options: S3CallsOptions;
  readonly #bulk: BoundedPool;
  readonly #small: BoundedPool;
  #connection: Promise<Connection> | undefined;
  #answered = false;
  /** The last attempt failed. */
  #isFailing = false;
  /** A call was given up while attempts failed, and none has succeeded since. */
  #isLost = false;

  constructor(location: S3Location, options: S3CallsOptions) {
    this.#location = location;
    this.#options = options;
    this.#bulk = new BoundedPool({ countMax: location.requests, bytesMax: Infinity });
    this.#small = new BoundedPool({
      countMax: Math.max(smallMax, location.requests),
      bytesMax: Infinity,
    });
  }

  /** Whether the bucket is known to be there. */
  get hasAnswered(): boolean {
    return this.#answered;
  }

  async send<O>(
    what: Pick<S3Attempt, "action" | "name">,
    request: Request<O>,
    options: CallOptions = {},
  ): Promise<O> {
    const { signal } = options;
    const { url, bucket } = this.#location;
    try {
      signal?.throwIfAborted();
      const { sdk, client } = await this.#connected();
      const pool = options.isBulk === true ? this.#bulk : this.#small;
      const transfer = transferOf(options);
      const attempt = () => pool.run(0, () => request(sdk, client, transfer), signal);
      const result = await retried(attempt, {
        clock: this.#options.clock,
        random: this.#options.random,
        signal,
        budgetMs: () => this.#budgetMs(),
        retryOf: (error) => retryOf(failureOf(error), error),
      });
      this.#answered = true;
      this.#isFailing = false;
      this.#isLost = false;
      return result;
    } catch (error) {
      this.#isLost ||= this.#isFailing;
      signal?.throwIfAborted();
      throw s3Error(error, { ...what, url, bucket });
    }
  }

  async close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.client.destroy();
  }

  /** Asked after a failure that may pass. */
  #budgetMs(): number {
    const { retryMs } = this.#location;
    this.#isFailing = true;
    // Cleaning up after a server that went away should not take as long again.
    const isHurried = this.#isLost || this.#options.interrupt?.aborted === true;
    if (isHurried) return Math.min(retryMs / 10, firstBudgetMs);
    return this.#answered ? retryMs : Math.min(retryMs, firstBudgetMs);
  }

  #connected(): Promise<Connection> {
    this.#connection ??= connect(this.#location, this.#options.clock);
    return this.#connection;
  }
}

function transferOf({ signal, bytesMax, into }: CallOptions): TransferOptions {
  return {
    ...(signal === undefined ? {} : { abortSignal: signal }),
    ...(bytesMax === undefined ? {} : { bytesMax }),
    ...(into === undefined ? {} : { into }),
  };
}

async function connect(location: S3Location, clock: Clock): Promise<Connection> {
  const { limitUpload, limitDownload } = location;
  const rate = (limit: number | undefined) =>
    limit === undefined ? undefined : new ByteRate(limit, clock);
  const [sdk, { S3Transport }, ca] = await Promise.all([
    import("@aws-sdk/client-s3"),
    import("./s3-transport.ts"),
    certificates(location.ca),
  ]);
  const transport = new S3Transport({
    connectionsMax: location.requests + Math.max(smallMax, location.requests),
    stallMs: location.stallMs,
    ca,
    upload: rate(limitUpload),
    download: rate(limitDownload),
  });
  const config = configOf(location, transport);
  const client = new sdk.S3Client({ ...config, ...(await regionOf(sdk, location, config)) });
  if (new URL(location.endpoint ?? "https://aws").protocol === "https:") trustTls(client);
  return { sdk, client };
}

/** docs/decisions/0028-s3.md says why each. */
function configOf(location: S3Location, transport: S3Transport): S3ClientConfig {
  const { endpoint, profile } = location;
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
    forcePathStyle: location.pathStyle,
    requestHandler: transport,
    maxAttempts: 1,
    expectContinueHeader: false,
    requestChecksumCalculation: "WHEN_SUPPORTED",
    responseChecksumValidation: "WHEN_REQUIRED",
  };
}

/** AWS needs to know the region; others mostly take any, so there the usual one stands in. */
async function regionOf(
  sdk: Sdk,
  location: S3Location,
  config: S3ClientConfig,
): Promise<Pick<S3ClientConfig, "region">> {
  if (location.region !== undefined) return { region: location.region };
  if (location.endpoint === undefined) return {};
  const asking = new sdk.S3Client(config);
  const region = await asking.config.region().catch(() => "us-east-1");
  return { region };
}

/**
 * Spares a SHA-256 of what is sent: TLS protects it on its way, and the checksum, which is signed,
 * as far as the store's disk.
 */
function trustTls(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers, body } = args.request as {
        headers: Record<string, string>;
        body?: unknown;
      };
      if (ArrayBuffer.isView(body)) headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
      return next(args);
    },
    { step: "build", name: "varveUnsignedPayload" },
  );
}

async function certificates(file: string | undefined): Promise<string[] | undefined> {
  if (file === undefined) return undefined;
  const { rootCertificates } = await import("node:tls");
  try {
    return [...rootCertificates, await readFile(file, "utf8")];
  } catch (error) {
    throw new VarveError("usage", `The certificates in ${file} cannot be read.`, {
      hint: "Check the name that ?ca= gives.",
      cause: error,
    });
  }
}
