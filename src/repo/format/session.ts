/**
 * The lease of a running writer, as JSON (format.md, "Sessions"). Only `beat` means something to
 * other programs; the rest tells people, and prunes on the same machine, whose it is.
 */
import { JsonFields, parseJsonObject } from "./json-fields.ts";
import { textBytesMax } from "./limits.ts";

export interface SessionLease {
  readonly host: string;
  readonly user: string;
  readonly pid: number;
  /** Tells one boot of one machine from all others; may be "". */
  readonly bootId: string;
  readonly command: string;
  readonly startedNs: bigint;
  readonly program: string;
  /** Raised from time to time while the session lives. */
  readonly beat: number;
}

export function encodeSession(lease: SessionLease): Uint8Array {
  const json = { ...lease, startedNs: lease.startedNs.toString() };
  return Buffer.from(JSON.stringify(json), "utf8");
}

export function decodeSession(bytes: Uint8Array): SessionLease {
  const what = "session lease";
  const fields = new JsonFields(parseJsonObject(bytes, what), what);
  return {
    host: fields.text("host", textBytesMax),
    user: fields.text("user", textBytesMax),
    pid: fields.count("pid"),
    bootId: fields.text("bootId", textBytesMax),
    command: fields.text("command", textBytesMax),
    startedNs: fields.timeNs("startedNs"),
    program: fields.text("program", textBytesMax),
    beat: fields.count("beat"),
  };
}
