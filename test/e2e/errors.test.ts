/** What goes wrong between a user and a repository: each with its code, message and hint. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { E2eHome, nobody, withHome } from "../helpers/e2e-home.ts";
import { readableProgram } from "../helpers/e2e-program.ts";
import { needsRoot } from "../helpers/needs-root.ts";

describe("init on a used path", () => {
  const home = new E2eHome();
  const init = (place: string) => ["--repo", place, "init", "--new-key-file", home.path("new.key")];

  after(() => home.remove());

  it("where a repository is", async () => {
    const place = await home.makeRepository();
    const before = fs.readFileSync(`${place}/varve.json`, "utf8");
    await home.fails(["--repo", place, "init"], "repo-exists", 1);
    assert.equal(fs.readFileSync(`${place}/varve.json`, "utf8"), before);
    assert.equal(fs.readdirSync(`${place}/keys`).length, 1);
    delete home.env["VARVE_PASSWORD_FILE"];
    await home.fails(init(place), "repo-exists", 1);
    assert.ok(!fs.existsSync(home.path("new.key")), "no key was made");
  });

  it("where other things are, and where a file is", async () => {
    const used = home.path("used");
    fs.mkdirSync(used);
    fs.writeFileSync(`${used}/thesis.tex`, "");
    const error = await home.fails(init(used), "repo-exists", 1);
    assert.match(error.message, /thesis\.tex/);
    await home.fails(init(`${used}/thesis.tex`), "repo-exists", 1);
    assert.deepEqual(fs.readdirSync(used), ["thesis.tex"]);
  });

  it("an empty folder is fine, and one below folders that do not exist", async () => {
    fs.mkdirSync(home.path("empty"));
    await home.ok(init(home.path("empty")));
    fs.rmSync(home.path("new.key"));
    await home.ok(init(home.path("not/yet/there")));
  });

  it("a key file that is there is not written over", async () => {
    const key = fs.readFileSync(home.path("new.key"), "utf8");
    await home.fails(init(home.path("third")), "usage", 2);
    assert.equal(fs.readFileSync(home.path("new.key"), "utf8"), key);
    assert.ok(!fs.existsSync(home.path("third")));
  });
});

describe("a repository", () => {
  const home = new E2eHome();
  const source = home.path("source");
  let place: string;

  before(async () => {
    fs.mkdirSync(source);
    fs.writeFileSync(`${source}/file`, "content");
    place = await home.makeRepository();
    await home.ok(["snapshot", source]);
  });
  after(() => home.remove());

  /** Does something to a file of the repository for as long as `work` runs. */
  async function withFile(
    name: string,
    change: (text: string) => string,
    work: () => Promise<void>,
  ) {
    const path = `${place}/${name}`;
    const bytes = fs.readFileSync(path);
    fs.writeFileSync(path, Buffer.from(change(bytes.toString("latin1")), "latin1"));
    try {
      await work();
    } finally {
      fs.writeFileSync(path, bytes);
    }
  }

  it("from the future", async () => {
    const change = (text: string) => text.replace('"version":1', '"version":2');
    await withFile("varve.json", change, async () => {
      const error = await home.fails(["snapshots"], "repo-future", 1);
      assert.match(error.hint ?? "", /newer|upgrade|install/i);
      await home.fails(["snapshot", source], "repo-future", 1);
      await home.fails(["init"], "repo-exists", 1);
    });
  });

  it("whose description is damaged", async () => {
    for (const change of [
      (text: string) => text.slice(0, 50),
      (text: string) => text.replace(/"id":"./, '"id":"?'),
      (text: string) => text.replace(/"bytes":\d+/, '"bytes":4096'),
    ]) {
      await withFile("varve.json", change, async () => {
        await home.fails(["snapshots"], "object-damaged", 1);
      });
    }
  });

  it("with a cipher that a later version brought", async () => {
    const change = (text: string) => text.replace('"cipher":"', '"cipher":"x');
    await withFile("varve.json", change, async () => {
      await home.fails(["snapshots"], "repo-future", 1);
    });
  });

  it("whose only key slot is damaged", async () => {
    const [slot = ""] = fs.readdirSync(`${place}/keys`);
    await withFile(
      `keys/${slot}`,
      (text) => text.slice(0, 40),
      async () => {
        await home.fails(["snapshots"], "object-damaged", 1);
      },
    );
    await withFile(
      `keys/${slot}`,
      (text) => `X${text.slice(1)}`,
      async () => {
        await home.fails(["snapshots"], "object-damaged", 1);
      },
    );
    // A changed seal looks like a wrong key: nobody can tell the two apart.
    const flip = (text: string) =>
      text.slice(0, 80) + String.fromCharCode(text.charCodeAt(80) ^ 1) + text.slice(81);
    await withFile(`keys/${slot}`, flip, async () => {
      await home.fails(["snapshots"], "password-wrong", 12);
    });
    assert.equal((await home.row(["check"]))["clean"], true);
  });

  it("whose damaged key slot is not the one that is used", async () => {
    const other = `${place}/keys/${"ab".repeat(16)}`;
    fs.writeFileSync(other, "damaged");
    try {
      assert.equal((await home.rows(["snapshots"])).length, 1);
      const listed = await home.rows(["key", "list"]);
      assert.equal(listed.filter((row) => row["problem"] !== null).length, 1);
      const check = await home.row(["check"], 4);
      assert.match(JSON.stringify(check["damage"]), /abababab/);
    } finally {
      fs.rmSync(other);
    }
  });

  it("that is elsewhere, by a URL that nobody knows", async () => {
    await home.fails(["--repo", "gopher://host/place", "snapshots"], "usage", 2);
  });

  it("without a password, and without a terminal", async () => {
    const env = { VARVE_PASSWORD_FILE: "" };
    const error = await home.fails(["snapshots"], "password-missing", 1, { env });
    assert.match(error.hint ?? "", /--password-file/);
    for (const [name, value] of [
      ["VARVE_PASSWORD_FILE", home.path("absent.key")],
      ["VARVE_PASSWORD_COMMAND", "false"],
      ["VARVE_PASSWORD_COMMAND", "/no/such/program"],
      ["VARVE_PASSWORD_COMMAND", "true"],
    ] as const) {
      const other = { VARVE_PASSWORD_FILE: "", [name]: value };
      await home.fails(["snapshots"], "password-missing", 1, { env: other });
    }
  });

  it("with a key file that lost some of its letters", async () => {
    const key = home.path("short.key");
    fs.writeFileSync(key, fs.readFileSync(home.path("repository.key"), "utf8").slice(0, 60));
    const run = await home.run(["--password-file", key, "snapshots"]);
    assert.equal(run.code, 12);
    assert.match(run.err, /^hint: /m);
  });

  it("whose sources are all gone", async () => {
    const absent = home.path("absent");
    const error = await home.fails(["snapshot", absent], "source-absent", 1);
    assert.ok(error.message.includes(absent), error.message);
    await home.fails(["snapshot", absent, `${absent}-too`], "source-absent", 1);
    await home.fails(["snapshot", home.path("no-*-such")], "source-absent", 1);
    assert.equal((await home.rows(["snapshots"])).length, 1);
  });

  it("that vanishes while it is used", async () => {
    fs.renameSync(place, `${place}-away`);
    try {
      await home.fails(["snapshot", source], "repo-absent", 10);
      assert.ok(!fs.existsSync(place), "no folder is made where a disk is to be mounted");
    } finally {
      fs.renameSync(`${place}-away`, place);
    }
  });
});

it("a repository that may only be read is read, and says so at a write", {
  skip: needsRoot,
}, async () => {
  await withHome(async (home) => {
    const place = await home.makeRepository();
    await home.ok(["snapshot", home.path("elsewhere")]);
    spawnSync("chmod", ["-R", "a+rX", place, home.path("repository.key"), home.folder]);
    const user = new E2eHome(nobody);
    Object.assign(user.env, home.env);
    const options = { program: readableProgram() };
    try {
      assert.equal((await user.rows(["snapshots"], 0, options)).length, 1);
      assert.equal((await user.row(["check", "--read-data"], 0, options))["clean"], true);
      await user.ok(["restore", "--target", user.path("target")], options);
      for (const args of [["snapshot", user.folder], ["prune"], ["forget", "latest"]]) {
        const error = await user.fails(args, "store-denied", 1, options);
        assert.ok(error.message.includes(place), error.message);
      }
      assert.equal((await user.rows(["snapshots"], 0, options)).length, 1);
    } finally {
      user.remove();
    }
  });
});

it("a key of another repository opens nothing", async () => {
  await withHome(async (home) => {
    await home.makeRepository("first");
    const foreign = home.path("first.key");
    await home.makeRepository("second");
    await home.fails(["--password-file", foreign, "snapshots"], "password-wrong", 12);
    // A slot that was copied from another repository is no way in.
    const [slot = ""] = fs.readdirSync(home.path("first/keys"));
    fs.copyFileSync(home.path("first/keys", slot), home.path("second/keys", slot));
    const run = await home.run(["--password-file", foreign, "snapshots"]);
    assert.notEqual(run.code, 0);
    assert.match(run.err, /^varve: .+\nhint: /);
    assert.deepEqual(await home.rows(["snapshots"]), []);
  });
});
