/* Builders elsewhere, from end to end: a `firn serve` with a store of its own builds for a `firn build` that has another. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { buildersOfSetting } from "../src/remote-builders.ts";
import { type Firn, makeFirn, MAIN } from "./firn.ts";

const canBuild = onPath("bwrap") === undefined ? need("unshare") : {};

type Row = {
  readonly label: string;
  readonly builder: string;
  readonly status: string;
  readonly end?: { reason: string };
};

const buildsOf = async (firn: Firn) => JSON.parse((await firn.run(["builds", "list", "--json"])).out).attempts as Row[];

describe("builders elsewhere", canBuild, () => {
  const [near, far] = [makeFirn({ after }), makeFirn({ after })];
  const socket = join(far.directory, "s");
  const url = `grpc+unix:${socket}`;
  let server: ChildProcess;

  before(async () => {
    const argv = ["serve", "--json", "--builds", "2", "--grace", "0", "--listen", `unix:${socket}`];
    const env = { PATH: process.env.PATH, HOME: far.directory, FIRN_HOME: join(far.directory, "state") };
    server = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, ...argv], {
      cwd: far.directory,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(server.stdout as NonNullable<typeof server.stdout>, "data");
  });
  after(async () => {
    server.kill();
    await once(server, "exit");
  });

  test("get inputs, say what they do while they do it, and give back what they made", async () => {
    writeFileSync(join(near.directory, "words"), "from here\n");
    const step = (name: string, use: string) =>
      `derivation { name = "${name}"; system = builtins.currentSystem; builder = "/bin/sh"; used = ${use};
        args = [ "-c" "echo making ${name}; read -r line < $used; echo \\"$line, ${name}\\" > $out" ]; }`;
    writeFileSync(join(near.directory, "two.nix"), step("top", `(${step("base", "./words")})`));
    const { code, out, err } = await near.run(["build", "-L", "-j0", "--builders", `${url}?jobs=2`, "two.nix"]);
    assert.equal(code, 0, err);
    assert.match(err, /base> making base\n[\s\S]*top> making top\n/);
    assert.equal(readFileSync(join(near.directory, "result"), "utf8"), "from here, base, top\n");
    assert.deepEqual(
      (await buildsOf(near)).map(({ label, builder, status }) => [label, builder, status]),
      [
        ["top", url, "succeeded"],
        ["base", url, "succeeded"],
      ],
    );
    assert.equal((await near.run(["log", "./result"])).out, "making top\n");
    assert.equal((await near.run(["store", "verify", "--nar"])).code, 0);
    // The server has attempts and contents, and no store path: those are the builder's client's.
    assert.deepEqual(
      (await buildsOf(far)).map(({ label }) => label),
      ["top", "base"],
    );
    assert.equal((await far.run(["store", "path-info", out.trim()])).code, 1);
  });

  test("hear that nobody wants it any more", async () => {
    const endless = `derivation { name = "endless"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo begun; while :; do :; done" ]; }`;
    const { code } = await near.run(["build", "-L", "-j0", "--builders", url, "-E", endless], {
      signalAfter: { text: "endless> begun", signal: "SIGINT" },
    });
    assert.equal(code, 130);
    for (const firn of [near, far]) {
      const [{ label, end }] = await buildsOf(firn);
      assert.deepEqual([label, end?.reason], ["endless", "cancelled"]);
    }
  });

  test("that fail fail as builders here do", async () => {
    const failing = `derivation { name = "bad"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo last words; exit 3" ]; }`;
    const { code, err } = await near.run(["build", "-j0", "--builders", url, "-E", failing]);
    assert.equal(code, 100);
    assert.match(err, /failed with exit code 3;\nlast 1 log lines?:\n> last words/);
  });

  test("may be named in nix.conf, and do without those that cannot be reached", async () => {
    const quick = `derivation { name = "quick"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }`;
    const env = { NIX_CONFIG: `builders = ssh://elsewhere x86_64-linux ; grpc+unix:/no/such/socket ; ${url}` };
    const { code, err } = await near.run(["build", "-j0", "--no-link", "-E", quick], { env });
    assert.equal(code, 0, err);
    assert.match(err, /the builder grpc\+unix:\/no\/such\/socket is left out/);
    assert.equal((await buildsOf(near))[0].builder, url);
    const none = await near.run(["build", "-j0", "--no-link", "-E", quick.replace("quick", "other")]);
    assert.equal(none.code, 2);
    assert.match(none.err, /say --builders/);
  });
});

test("builders have jobs and systems, and what is none is refused", () => {
  assert.deepEqual(buildersOfSetting("grpc+http://h:1?jobs=4&systems=a-linux,b-linux&token_file=t;ssh://other x"), [
    { server: { url: "grpc+http://h:1", token_file: "t" }, jobsMax: 4, systems: ["a-linux", "b-linux"] },
  ]);
  assert.deepEqual(buildersOfSetting(undefined), []);
  for (const bad of ["grpc+http://h?jobs=0", "grpc+http://h?jobs=many", "grpc+http://h?job=1", "grpc+ftp://h"])
    assert.throws(() => buildersOfSetting(bad), { code: "usage" }, bad);
});
