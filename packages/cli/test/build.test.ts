/*
firn build and firn run from end to end: results and links, and every way in which a build goes wrong, after each of which there is one
message, nothing half-registered, and a next run that works.
*/

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { buildDirectories, type Firn, makeFirn } from "./firn.ts";

const HELLO = join(import.meta.dirname, "..", "..", "..", "examples", "hello");
const canBuild = onPath("bwrap") === undefined ? need("unshare") : {};

/** An expression for a derivation whose builder is a shell script. */
function script(text: string, extra = ""): string {
  const quoted = text.replaceAll("''", "'''").replaceAll("${", "''${");
  return `derivation ({ name = "it"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-euc" ''${quoted}'' ]; } // { ${extra} })`;
}

/** Short for a script under another name. */
const named = (name: string, text: string, extra = "") => script(text, `name = "${name}"; ${extra}`);

const build = (firn: Firn, expression: string, ...flags: string[]) => firn.run(["build", ...flags, "-E", expression]);

describe("firn build", canBuild, () => {
  const firn = makeFirn({ after });
  const at = (name: string) => join(firn.directory, name);

  test("builds the example, prints its store path and leaves a link to its files", async () => {
    const { code, out, err } = await firn.run(["build", HELLO]);
    assert.equal(code, 0, err);
    assert.match(out, /^\/nix\/store\/[0-9a-z]{32}-hello\.txt\n$/);
    assert.match(err, /building 3 derivations\n/);
    assert.match(readFileSync(at("result"), "utf8"), /^Hello, world!\n/);
    assert.equal(readlinkSync(at("result")), at(`state/outputs/${out.trim().slice("/nix/store/".length)}`));
  });

  test("a second run has nothing to do and says nothing", async () => {
    const first = await firn.run(["build", HELLO]);
    const again = await firn.run(["build", HELLO]);
    assert.deepEqual(again, { ...first, err: "" });
  });

  test("an output other than out has its name in the link", async () => {
    const { out } = await firn.run(["build", HELLO, "-A", "words.doc"]);
    assert.match(out, /-words-doc\n$/);
    assert.match(readFileSync(at("result-doc"), "utf8"), /the subject of a greeting/);
  });

  test("several results have numbered links; -o names them", async () => {
    const { out } = await firn.run(["build", HELLO, "-A", "greeting", "-A", "words", "-o", "links/it"]);
    assert.match(out, /-greeting\.txt\n.*-words\n$/);
    assert.match(readFileSync(at("links/it"), "utf8"), /^Hello/);
    assert.match(readFileSync(at("links/it-2"), "utf8"), /^world/);
  });

  test("--no-link leaves none and --json lists all", async () => {
    mkdirSync(at("bare"));
    const { out } = await firn.run(["build", "--no-link", "--json", HELLO, "-A", "words"], { cwd: at("bare") });
    const [row] = JSON.parse(out);
    assert.match(row.outputs.out, /-words$/);
    assert.match(row.drvPath, /-words\.drv$/);
    assert.deepEqual(readdirSync(at("bare")), []);
  });

  test("store commands follow the link", async () => {
    await firn.run(["build", HELLO]);
    assert.match((await firn.run(["store", "cat", "./result"])).out, /^Hello, world!/);
    symlinkSync("result", at("alias"));
    assert.match((await firn.run(["store", "ls", "alias"])).out, /-hello\.txt\n$/);
  });

  test("a result knows its derivation", async () => {
    await firn.run(["build", HELLO]);
    assert.match(
      (await firn.run(["drv", "show", "result"])).out,
      /^\/nix\/store\/[^ ]+-hello\.txt\.drv\n {2}name +hello\.txt\n/,
    );
  });

  test("nix-store --read-log prints what a builder said", async () => {
    const { out } = await build(firn, named("said", "echo said by the builder; echo > $out"), "-o", "said");
    const main = join(import.meta.dirname, "../src/compat/main-nix-store.ts");
    const env = { PATH: process.env.PATH, HOME: firn.directory, FIRN_HOME: at("state") };
    const read = spawnSync(process.execPath, [main, "--read-log", out.trim()], { env, encoding: "utf8" });
    assert.deepEqual([read.status, read.stdout], [0, "said by the builder\n"]);
  });

  test("what is in the way of the link stays, and nothing is built", async () => {
    mkdirSync(at("taken"));
    writeFileSync(at("taken/result"), "mine");
    const { code, err } = await firn.run(["build", HELLO], { cwd: at("taken") });
    assert.equal(code, 1);
    assert.match(err, /^error: '.*taken\/result' is in the way/);
    assert.equal(readFileSync(at("taken/result"), "utf8"), "mine");
    symlinkSync("/etc", at("taken/elsewhere"));
    assert.equal((await firn.run(["build", HELLO, "-o", "elsewhere"], { cwd: at("taken") })).code, 1);
    assert.equal(readlinkSync(at("taken/elsewhere")), "/etc");
  });

  test("a link to an earlier result is replaced", async () => {
    const expression = (text: string) => script(`echo ${text} > $out`);
    await build(firn, expression("one"), "-o", "moving");
    await build(firn, expression("two"), "-o", "moving");
    assert.equal(readFileSync(at("moving"), "utf8"), "two\n");
    assert(lstatSync(at("moving")).isSymbolicLink());
  });

  test("everything a builder says is on stderr, off a terminal as plain lines", async () => {
    const { err } = await build(firn, script("echo one; echo two >&2; printf three; echo > $out"), "--no-link");
    assert.match(err, /^it> one\nit> two\nit> three$/m);
    const quiet = await build(firn, script("echo four; echo > $out"), "--no-link", "--quiet");
    assert.equal(quiet.err, "");
  });

  test("another store directory and another state directory work, the earlier link is replaced", async () => {
    const env = { NIX_STORE_DIR: "/some/other/store", FIRN_HOME: at("other-state") };
    await firn.run(["build", HELLO, "-o", "other"]);
    const { out, err } = await firn.run(["build", HELLO, "-o", "other"], { env });
    assert.match(out, /^\/some\/other\/store\/.*-hello\.txt\n$/, err);
    assert.match(readFileSync(at("other"), "utf8"), /its documentation: \/some\/other\/store\//);
  });
});

describe("a build that goes wrong", canBuild, () => {
  const firn = makeFirn({ after });
  const loop = "while :; do :; done";
  const endless = "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done";
  const wrongHash =
    'outputHashAlgo = "sha256"; outputHash = "0000000000000000000000000000000000000000000000000000000000000000";';

  const cases: readonly [name: string, expression: string, flags: readonly string[], code: number, said: RegExp][] = [
    [
      "a builder that fails",
      script("echo why; echo half > $out; exit 3"),
      [],
      100,
      /^error: builder for '[^']+-it\.drv' failed with exit code 3[\s\S]*> why\n$/m,
    ],
    [
      "a builder that writes nothing",
      script("echo done"),
      [],
      100,
      /failed to produce output path '\/nix\/store\/[^']+-it'/,
    ],
    ["a builder that is killed", script("echo half > $out; kill -KILL $$"), [], 100, /failed due to signal SIGKILL/],
    [
      "a builder that fills its space",
      script(`${endless} > $out`),
      ["--build-space", "1M"],
      100,
      /ran out of build space/,
    ],
    [
      "a builder that takes too long",
      script(`echo half > $out; ${loop}`),
      ["--timeout", "1"],
      101,
      /timed out after 1 second/,
    ],
    [
      "a builder that is silent too long",
      script(`echo half > $out; ${loop}`),
      ["--max-silent-time", "1"],
      101,
      /1 second of silence/,
    ],
    [
      "a wrong hash",
      script("echo other > $out", wrongHash),
      [],
      102,
      /hash mismatch in fixed-output derivation[\s\S]*specified: sha256-A+=\n +got: +sha256-/,
    ],
    ["a program that is not there", script(":", 'builder = "/bin/nothing";'), [], 100, /failed with exit code 127/],
    ["a system that is not this one", script(":", 'system = "vax-vms";'), [], 1, /'vax-vms' is needed/],
  ];
  for (const [name, expression, flags, code, said] of cases) {
    test(`${name}: exit code ${code}, one message, nothing registered`, async () => {
      const ended = await build(firn, expression, ...flags);
      assert.equal(ended.code, code, ended.err);
      assert.match(ended.err, said);
      assert.equal(ended.err.match(/^error:/gm)?.length, 1, ended.err);
      assert.doesNotMatch(ended.err, /internal error|\.ts:/);
      assert.equal(ended.out, "");
      await assertClean(firn, expression);
    });
  }

  test("--keep-going builds what it can and names all failures", async () => {
    const fine = named("b", "echo ok > $out");
    const expression = `[ (${named("a", "exit 1")}) (${fine}) (${named("c", "echo > $out", wrongHash)}) ]`;
    const { code, err } = await build(firn, expression, "--keep-going", "--no-link");
    assert.equal(code, 102);
    assert.match(err, /2 derivations failed[\s\S]*-a\.drv[\s\S]*-c\.drv/);
    assert.equal((await build(firn, fine, "--no-link")).err, "");
  });

  test("a failed dependency fails the whole, with one message about the dependency", async () => {
    const dependency = named("below", "exit 4");
    const { code, err } = await build(firn, script("echo $below > $out", `below = ${dependency};`));
    assert.equal(code, 100);
    assert.match(err, /builder for '[^']+-below\.drv' failed with exit code 4/);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    test(`${signal} during a build ends it cleanly`, async () => {
      const expression = script(`echo half > $out; echo begun ${signal}; ${loop}`);
      const { code, err, out } = await firn.run(["build", "-E", expression], {
        signalAfter: { text: `> begun ${signal}`, signal },
      });
      assert.equal(code, signal === "SIGINT" ? 130 : 143);
      assert.match(err, /error: interrupted\n$/);
      assert.equal(out, "");
      assert(!isRunning(`begun ${signal}`), "no process of the builder is left");
      await assertClean(firn, expression);
    });
  }
});

/** Nothing of the failed build is there, and a build after it works. */
async function assertClean(firn: Firn, expression: string): Promise<void> {
  assert(!existsSync(join(firn.directory, "result")), "no link");
  assert.deepEqual(buildDirectories(join(firn.directory, "state")), [], "no build directory");
  const [{ outputs }] = JSON.parse((await firn.run(["instantiate", "--json", "-E", expression])).out);
  assert.match((await firn.run(["store", "ls", outputs.out])).err, /is not in the store/);
  const next = await build(firn, script("echo fine > $out"), "--no-link");
  assert.equal(next.code, 0, next.err);
}

/** Whether a process has these words in its command line; this one does not count. */
function isRunning(words: string): boolean {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) continue;
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(words)) return true;
    } catch {
      // ended meanwhile
    }
  }
  return false;
}

describe("firn run", onPath("busybox") === undefined ? need("busybox") : canBuild, () => {
  const firn = makeFirn({ after });
  const program = () => {
    mkdirSync(join(firn.directory, "tools"), { recursive: true });
    copyFileSync(onPath("busybox") as string, join(firn.directory, "tools", "busybox"));
    return script(
      `
      $tools/busybox mkdir -p $out/bin
      echo "#!$tools/busybox sh
      read -r data < $data
      case \\$1 in
        exit) exit \\$2 ;;
        kill) kill -TERM \\$\\$ ;;
        copy) exec $tools/busybox cat ;;
        *) echo \\"\\$data: \\$*\\" ;;
      esac" > $out/bin/prog
      $tools/busybox chmod +x $out/bin/prog
      $tools/busybox ln -s prog $out/bin/alias
      `,
      `tools = ${join(firn.directory, "tools")}; data = ${script("echo stored > $out")};`,
    );
  };

  test("builds what the next tests run", async () => {
    const { code, err } = await build(firn, program());
    assert.equal(code, 0, err);
  });

  test("a program finds its closure at /nix/store and gets its arguments, flags included", async () => {
    const { out, err } = await firn.run(["run", "result/bin/prog", "a", "--help", "-x"]);
    assert.equal(out, "stored: a --help -x\n", err);
    assert.equal((await firn.run(["run", "./result/bin/alias", "b"])).out, "stored: b\n");
  });

  test("exit code, signals, input and output are the program's", async () => {
    assert.equal((await firn.run(["run", "result/bin/prog", "exit", "7"])).code, 7);
    assert.equal((await firn.run(["run", "result/bin/prog", "kill"])).code, 143);
    const bytes = Buffer.from([0, 255, 10]);
    assert.deepEqual((await firn.run(["run", "result/bin/prog", "copy"], { stdin: bytes })).stdout, bytes);
  });

  test("it works without bubblewrap", need("unshare"), async () => {
    const bin = join(firn.directory, "bin");
    mkdirSync(bin);
    for (const name of ["cat", "mount", "umount", "unshare", "mkdir", "rmdir", "ln", "dirname", "true"]) {
      symlinkSync(onPath(name) as string, join(bin, name));
    }
    const { out, err } = await firn.run(["run", "result/bin/prog", "a"], { env: { PATH: bin } });
    assert.equal(out, "stored: a\n", err);
  });

  test("of an expression the program is built first, and its arguments are its own", async () => {
    const script = "echo '#!/bin/sh' > $out; echo 'echo ran $# $2' >> $out; chmod +x $out";
    const expression = `derivation { name = "tool-1.0"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" ${JSON.stringify(script)} ]; }`;
    const { out, err, code } = await firn.run(["run", "-q", "-E", expression, "a", "--flag"]);
    assert.equal(out, "ran 2 --flag\n", err);
    assert.equal(code, 0);
    assert.match((await firn.run(["run", "-E", `[ (${expression}) (${expression}) ]`])).err, /choose one by -A/);
  });

  test("firn shell has programs on PATH, firn develop a builder's variables", async () => {
    const script =
      "mkdir $out $out/bin; echo '#!/bin/sh' > $out/bin/frost; echo 'echo cold' >> $out/bin/frost; chmod +x $out/bin/frost";
    const tool = `derivation { name = "frost"; system = builtins.currentSystem; builder = "/bin/sh"; PATH = "${"/bin:/usr/bin"}"; args = [ "-c" ${JSON.stringify(script)} ]; }`;
    const shell = await firn.run(["shell", "-q", "-E", tool, "-c", "frost; exit 3"]);
    assert.deepEqual([shell.out, shell.code], ["cold\n", 3], shell.err);
    const user = `derivation { name = "user"; system = builtins.currentSystem; builder = "/bin/sh"; frost = ${tool}; buildPhase = "echo built with $frost"; }`;
    const developed = await firn.run(["develop", "-E", user, "-c", "$frost/bin/frost; echo $IN_NIX_SHELL $name"]);
    assert.equal(developed.out, "cold\nimpure user\n", developed.err);
    const phase = await firn.run(["develop", "-i", "-E", user, "--phase", "build"]);
    assert.match(phase.out, /^built with \/nix\/store\/[a-z0-9]{32}-frost\n$/, phase.err);
  });

  test("what is no program is refused with a hint", async () => {
    assert.match(
      (await firn.run(["run", "result"])).err,
      /'result' is no program; name one of its programs: result\/bin\/alias/,
    );
    assert.match((await firn.run(["run", "result/bin/absent"])).err, /does not exist in/);
    assert.match((await firn.run(["run", "/bin/sh"])).err, /no link to a result/);
  });
});
