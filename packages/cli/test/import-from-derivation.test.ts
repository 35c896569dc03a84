/*
Evaluations that need something built or fetched first, from end to end: the real sandbox, files of this machine, and a server of the test's own.
*/

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

const canBuild = onPath("bwrap") === undefined ? need("unshare") : {};

/** A derivation whose output a shell script makes. */
const script = (text: string, extra = "") =>
  `derivation ({ name = "it"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" ''${text}'' ]; } // { ${extra} })`;

describe("import from derivation", canBuild, () => {
  const firn = makeFirn({ after });
  const evaluate = (expression: string, ...flags: string[]) =>
    firn.run(["eval", ...flags, "--strict", "-E", expression]);

  test("an output is built, once, then read from the store", async () => {
    const expression = `import (${script("echo 40 + 2 > $out")})`;
    const first = await evaluate(expression);
    assert.equal(first.out, "42\n", first.err);
    assert.match(first.err, /building 1 derivation\n/);
    assert.deepEqual(await evaluate(expression), { ...first, err: "" });
  });

  test("what an output is built with is written and built before", async () => {
    writeFileSync(join(firn.directory, "source.txt"), "from a file");
    const inner = script("mkdir $out; cat $source > $out/text", 'name = "inner"; source = ./source.txt;');
    const outer = script(
      "cat $inner/text > $out; cat $note >> $out",
      `inner = ${inner}; note = builtins.toFile "n" "!";`,
    );
    const { out, err } = await evaluate(`builtins.readFile (${outer})`);
    assert.equal(out, '"from a file!"\n', err);
    assert.match(err, /building 2 derivations\n/);
  });

  test("trees are listed, filtered and copied, and copies read again", async () => {
    const tree = script("mkdir -p $out/d; echo a > $out/a; echo b > $out/d/b; ln -s a $out/l");
    const expression = `let t = ${tree}; c = builtins.filterSource (p: _: baseNameOf p != "a") "\${t}"; in
      [ (builtins.readDir t) (builtins.readFile "\${t}/l") (builtins.readDir c) (builtins.readFile (c + "/d/b")) (builtins.pathExists (c + "/a")) ]`;
    const { out, err } = await evaluate(expression, "--json");
    assert.equal(err.replace(/^building .*\n/gm, ""), "");
    assert.deepEqual(JSON.parse(out), [
      { a: "regular", d: "directory", l: "symlink" },
      "a\n",
      { d: "directory", l: "symlink" },
      "b\n",
      false,
    ]);
  });

  test("a build goes on with what an import said", async () => {
    const generated = script("echo '{ text = \"generated\"; }' > $out");
    const expression = script(
      "echo $text > $out",
      `text = (import (${generated})).text; copy = builtins.path { path = "\${${generated}}"; name = "c"; };`,
    );
    const { out, err, code } = await firn.run(["build", "-E", expression]);
    assert.equal(code, 0, err);
    assert.equal(readFileSync(join(firn.directory, "result"), "utf8"), "generated\n");
    assert.match(out, /-it\n$/);
  });

  test("part of an output is copied as a source of a build, and keeps its references", async () => {
    const dep = script("echo dep > $out", 'name = "dep";');
    const tree = script("mkdir -p $out/d; echo a > $out/a; echo b > $out/d/b; echo $dep > $out/dep", `dep = ${dep};`);
    const copy = `builtins.path { name = "part"; path = "\${${tree}}"; filter = p: _: baseNameOf p != "a"; }`;
    const list = script(
      "cd $part; for f in *; do echo $f; done > $out; read d < dep; read t < $d; echo $t $part >> $out",
      `part = ${copy};`,
    );
    const { code, err } = await firn.run(["build", "-E", list]);
    assert.equal(code, 0, err);
    const [first, second, third] = readFileSync(join(firn.directory, "result"), "utf8").split("\n");
    assert.deepEqual([first, second], ["d", "dep"]);
    assert.match(third, /^dep \/nix\/store\/.*-part$/);
  });

  test("a build that fails is an error of the evaluation", async () => {
    const { code, err } = await evaluate(`import (${script("echo no; exit 3")})`);
    assert.equal(code, 1);
    assert.match(err, /while calling the 'import' builtin/);
    assert.match(err, /error: builder for '[^']*-it\.drv' failed with exit code 3/);
    assert.equal((await evaluate(`builtins.tryEval (import (${script("exit 3")}))`)).code, 1);
  });

  for (const flags of [["--no-allow-ifd"], ["--option", "allow-import-from-derivation", "false"]]) {
    test(`${flags.join(" ")} refuses to build`, async () => {
      const { code, err } = await evaluate(`import (${script("echo 1 > $out")})`, ...flags);
      assert.equal(code, 1);
      assert.match(err, /because the option 'allow-import-from-derivation' is disabled/);
    });
  }

  test("Ctrl-C while a build is waited for ends both", { timeout: 60_000 }, async () => {
    const ended = await firn.run(["eval", "-E", `import (${script("echo here; sleep 1000", 'name = "slow";')})`], {
      signalAfter: { text: "slow> here", signal: "SIGINT" },
    });
    assert.equal(ended.code, 130, ended.err);
    assert.equal((await evaluate("1")).out, "1\n");
  });
});

describe("fetching", need("tar"), () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);
  const evaluate = (expression: string) => firn.run(["eval", "--json", "-E", expression]);
  const hashOf = (name: string) =>
    createHash("sha256")
      .update(readFileSync(at(name)))
      .digest("hex");
  let server: Server;
  let address = "";
  let requests: (string | undefined)[] = [];

  before(async () => {
    mkdirSync(at("tree/top/sub"), { recursive: true });
    writeFileSync(at("tree/top/default.nix"), "{ value = 7; }");
    writeFileSync(at("tree/top/sub/run"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(at(`tree/top/${"long".repeat(40)}`), "x");
    symlinkSync("default.nix", at("tree/top/link"));
    for (const [flag, name] of [
      ["-cf", "t.tar"],
      ["-czf", "t.tar.gz"],
    ] as const)
      execFileSync("tar", ["-C", at("tree"), flag, at(name), "top"]);
    execFileSync("tar", ["-C", at("tree/top"), "--format=pax", "-cf", at("flat.tar"), "."]);
    server = createServer((request, response) => {
      requests.push(request.url);
      if (request.url === "/moved") response.writeHead(302, { location: "/t.tar" }).end();
      else if (request.url === "/t.tar") response.end(readFileSync(at("t.tar")));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  test("archives from files and servers unpack to the same path, whatever they are packed with", async () => {
    const urls = [`file://${at("t.tar")}`, `file://${at("t.tar.gz")}`, `file://${at("flat.tar")}`, `${address}/moved`];
    const { out, err } = await evaluate(
      `map (u: let t = fetchTarball u; in { path = "\${t}"; inherit (import t) value; entries = builtins.attrNames (builtins.readDir t); }) [ ${urls.map((url) => `"${url}"`).join(" ")} ]`,
    );
    assert.equal(err, "");
    const results = JSON.parse(out);
    assert.equal(results.length, 4);
    assert.equal(results[0].value, 7);
    assert.deepEqual(results[0].entries, ["default.nix", "link", "long".repeat(40), "sub"]);
    for (const result of results) assert.deepEqual(result, results[0]);
  });

  test("an address on the search path is unpacked when a name is looked up there, or warned about and passed over", async () => {
    requests = [];
    const entry = (path: string) => `{ prefix = "x"; path = "${path}"; }`;
    const { out, err } = await evaluate(
      `(import (builtins.findFile [ ${entry(`${address}/none`)} ${entry(`file://${at("t.tar")}`)} { path = "http://unused.invalid/"; prefix = "y"; } ] "x")).value`,
    );
    assert.equal(out.trim(), "7");
    assert.match(err, /search path entry 'http:.*\/none' cannot be downloaded, ignoring/);
  });

  test("what has a hash is fetched when it is needed, checked, and not fetched again", async () => {
    requests = [];
    const fetch = (hash: string) => `builtins.fetchurl { url = "${address}/t.tar"; sha256 = "${hash}"; }`;
    const lazy = await evaluate(`"\${${fetch(hashOf("t.tar"))}}"`);
    assert.match(lazy.out, /-t\.tar"\n$/);
    assert.deepEqual(requests, []);
    for (let run = 0; run < 2; run++) {
      const { out, err } = await evaluate(`builtins.hashFile "sha256" (${fetch(hashOf("t.tar"))})`);
      assert.equal(out, `"${hashOf("t.tar")}"\n`, err);
    }
    assert.deepEqual(requests, ["/t.tar"]);
    const wrong = await evaluate(`builtins.readFile (${fetch("0".repeat(64))})`);
    assert.equal(wrong.code, 1);
    assert.match(
      wrong.err,
      /hash mismatch in file downloaded from 'http:[^']*\/t\.tar':\n\s+specified: sha256:0{52}\n\s+got: /,
    );
  });

  test("what is not there is an error that says so", async () => {
    assert.match(
      (await evaluate(`builtins.fetchurl "${address}/none"`)).err,
      /unable to download '[^']*\/none': HTTP error 404/,
    );
    assert.match(
      (await evaluate(`builtins.fetchurl "file://${at("none")}"`)).err,
      /unable to download 'file:[^']*': ENOENT/,
    );
    assert.match(
      (await evaluate(`fetchTarball "file://${at("tree/top/default.nix")}"`)).err,
      /tar archive cannot be read/,
    );
  });

  test("<nix/fetchurl.nix> builds without a sandbox, and its hash is checked", async () => {
    const fetch = (name: string, extra: string) => `import <nix/fetchurl.nix> { url = "file://${at(name)}"; ${extra} }`;
    const plain = await evaluate(`builtins.hashFile "sha256" (${fetch("t.tar", `sha256 = "${hashOf("t.tar")}";`)})`);
    assert.equal(plain.out, `"${hashOf("t.tar")}"\n`, plain.err);
    const wrong = await firn.run(["build", "--no-link", "-E", fetch("t.tar", `sha256 = "${"0".repeat(64)}";`)]);
    assert.equal(wrong.code, 102);
    assert.match(wrong.err, /hash mismatch in fixed-output derivation/);
  });
});

describe("builtin:fetchurl as C++ Nix unpacks", need("nix-store"), () => {
  const firn = makeFirn({ after });

  test("NARs are unpacked and files made executable under the hash of the result", async () => {
    const at = (name: string) => join(firn.directory, name);
    mkdirSync(at("tree"));
    writeFileSync(at("tree/file"), "contents");
    writeFileSync(at("program"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(at("tree.nar"), execFileSync("nix-store", ["--dump", at("tree")]));
    const narHash = (path: string) => execFileSync("nix-hash", ["--type", "sha256", path], { encoding: "utf8" }).trim();
    const read = (name: string, hash: string, extra: string) =>
      `import <nix/fetchurl.nix> { name = "x"; url = "file://${at(name)}"; sha256 = "${hash}"; ${extra} }`;
    const tree = read("tree.nar", narHash(at("tree")), "unpack = true;");
    const program = read("program", narHash(at("program")), "executable = true;");
    const { out, err } = await firn.run([
      "eval",
      "--raw",
      "-E",
      `builtins.readFile "\${${tree}}/file" + builtins.readFile (${program})`,
    ]);
    assert.equal(out, "contents#!/bin/sh\n", err);
  });
});
