/** The question for a password. */
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { promptPassword } from "../../src/cli/prompt.ts";

test("the terminal's echo is off from before the question until the answer is whole", async () => {
  const happened: string[] = [];
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (raw: boolean) => happened.push(raw ? "echo off" : "echo on"),
  });
  const output = { isTTY: true, write: (text: string) => happened.push(text) };
  const answer = promptPassword({ input, output }, "Password: ");
  input.write("typed sEcreX");
  input.write("\x7ft\r");
  assert.equal(await answer, "typed sEcret");
  assert.deepEqual(happened, ["echo off", "Password: ", "echo on", "\n"]);
});
