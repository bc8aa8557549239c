/** The host that this process runs on, and its user. */
import { readFileSync } from "node:fs";
import os from "node:os";
import type { Host } from "../base/host.ts";

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

function isProcessGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    // No entry in the password database, as in many containers.
    return String(process.getuid?.() ?? "");
  }
}

export function systemHost(): Host {
  return {
    hostname: os.hostname(),
    user: userName(),
    pid: process.pid,
    bootId: bootId(),
    isProcessGone,
  };
}
