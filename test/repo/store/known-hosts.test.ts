/** Host keys as OpenSSH's own programs write them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  fingerprintOf,
  knownKeys,
  knownName,
  signaturesFor,
  verdictOn,
} from "../../../src/repo/store/sftp/known-hosts.ts";

const folder = fs.mkdtempSync(join(tmpdir(), "known-"));
after(() => fs.rmSync(folder, { recursive: true }));

function makeKey(type: string, name: string): string {
  const path = join(folder, name);
  execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "some comment", "-f", path]);
  return fs.readFileSync(`${path}.pub`, "utf8").trim();
}

const one = makeKey("ed25519", "one");
const two = makeKey("ecdsa", "two");
const blob = (line: string) => Buffer.from(line.split(" ")[1] ?? "", "base64");
const verdict = (text: string, name: string, key = one) =>
  verdictOn(blob(key), knownKeys(text, name));

test("names, patterns and ports", () => {
  const text =
    `# comment\n\nb.example,10.0.0.1 ${one}\r\n` + `*.lan,!bad.lan ${one}\n[b.example]:2222 ${two}`;
  assert.equal(verdict(text, "b.example"), "known");
  assert.equal(verdict(text, "10.0.0.1"), "known");
  assert.equal(verdict(text, "host.lan"), "known");
  assert.equal(verdict(text, "bad.lan"), "unknown");
  assert.equal(verdict(text, "hostxlan"), "unknown");
  assert.equal(verdict(text, "c.example"), "unknown");
  assert.equal(verdict(text, knownName("B.Example", 22)), "known");
  assert.equal(verdict(text, knownName("b.example", 2222)), "changed");
  assert.equal(verdict(text, knownName("b.example", 2222), two), "known");
  assert.equal(verdict(text, knownName("b.example", 2223)), "unknown");
});

test("names that ssh-keygen has hashed", () => {
  const file = join(folder, "hashed");
  fs.writeFileSync(file, `b.example ${one}\n[b.example]:2222 ${two}\n`);
  execFileSync("ssh-keygen", ["-q", "-H", "-f", file], { stdio: "ignore" });
  const text = fs.readFileSync(file, "utf8");
  assert.ok(!text.includes("b.example"));
  assert.equal(verdict(text, "b.example"), "known");
  assert.equal(verdict(text, "[b.example]:2222", two), "known");
  assert.equal(verdict(text, "[b.example]:2222", one), "changed");
  assert.equal(verdict(text, "a.example"), "unknown");
});

test("a revoked key is refused, whoever else vouches for it", () => {
  const text = `b.example ${one}\n@revoked * ${one}\n`;
  assert.equal(verdict(text, "b.example"), "revoked");
  assert.equal(verdict(`@revoked * ${two}\n`, "b.example"), "unknown");
  assert.equal(verdict(`@cert-authority * ${one}\n`, "b.example"), "unknown");
});

test("a line whose key is of another kind than it says counts for nothing", () => {
  assert.equal(
    verdict(`b.example ${one.replace("ssh-ed25519", "ssh-rsa")}`, "b.example"),
    "unknown",
  );
  assert.equal(verdict("b.example ssh-ed25519 AAAA", "b.example"), "unknown");
  assert.equal(verdict("b.example ssh-ed25519", "b.example"), "unknown");
});

test("the host is asked for a key that is known", () => {
  const first = (text: string) => signaturesFor(knownKeys(text, "b.example"))[0];
  assert.equal(first(`b.example ${two}`), "ecdsa-sha2-nistp256");
  assert.equal(first(`b.example ${makeKey("rsa", "three")}`), "rsa-sha2-512");
  assert.equal(first(""), "ssh-ed25519");
  assert.ok(!signaturesFor([]).includes("ssh-rsa"));
});

test("fingerprints are those of ssh-keygen", () => {
  const shown = execFileSync("ssh-keygen", ["-l", "-f", join(folder, "one.pub")], {
    encoding: "utf8",
  });
  assert.ok(shown.includes(fingerprintOf(blob(one))));
});
