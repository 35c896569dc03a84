/* nix-shell: a derivation's variables, inputs and setup around commands of the user, and scripts that name it. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { NixSettings } from "../src/compat/nix-settings.ts";
import { parseNixShellArguments } from "../src/compat/nix-shell-arguments.ts";

const MAIN = join(import.meta.dirname, "../src/compat/main-nix-shell.ts");
const top = mkdtempSync(join(tmpdir(), "firn-nix-shell-test-"));
after(() => rmSync(top, { recursive: true, force: true }));
const temporary = join(top, "tmp");

const SH = 'system = builtins.currentSystem; builder = "/bin/sh";';

writeFileSync(
  join(top, "shell.nix"),
  `{ inNixShell ? false, greeting ? "hi" }:
   let dependency = derivation { name = "dependency"; ${SH} args = [ "-c" "echo snow > $out" ]; };
       excluded = derivation { name = "excluded"; ${SH} args = [ "-c" "exit 1" ]; };
   in derivation {
     name = "environment"; ${SH} inherit inNixShell greeting dependency excluded;
     long = "passed as a file"; passAsFile = [ "long" ];
     shellHook = "hooked=yes";
   }`,
);

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", MAIN, ...args],
    {
      cwd: top,
      env: { PATH: process.env.PATH, HOME: top, TMPDIR: temporary, FIRN_HOME: join(top, "state"), ...env },
      encoding: "utf8",
    },
  );
  return { code: status, out: stdout, err: stderr };
}

test("--run sees variables, files, inputs and the hook, and its exit code is the program's", () => {
  spawnSync("mkdir", ["-p", temporary]);
  const script =
    'echo $inNixShell $IN_NIX_SHELL $greeting $hooked $MINE; cat $dependency $longPath; echo; echo "$HOME"; exit 7';
  const { code, out, err } = run(["--exclude", "excluded[.]drv$", "--argstr", "greeting", "hello", "--run", script], {
    MINE: "mine",
  });
  assert.equal(out, `1 impure hello yes mine\nsnow\npassed as a file\n${top}\n`, err);
  assert.equal(code, 7);
  assert.deepEqual(readdirSync(temporary), [], "nothing is left behind");
});

test("--pure keeps little of the host's environment", () => {
  const script = "echo $IN_NIX_SHELL $MINE $OTHER $greeting";
  const args = ["--exclude", "excluded", "--pure", "--keep", "MINE", "--run", script];
  const { out, err } = run(args, { MINE: "mine", OTHER: "other" });
  assert.equal(out, "pure mine hi\n", err);
});

test("inputs addressed by contents have their paths in the variables", () => {
  const file = join(top, "addressed.nix");
  const ca = '__contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";';
  writeFileSync(
    file,
    `derivation { name = "environment"; ${SH} ${ca}
       input = derivation { name = "input"; ${SH} ${ca} args = [ "-c" "echo snow > $out" ]; }; }`,
  );
  const { out, err } = run([file, "--run", "cat $input; echo $out"], {
    NIX_CONFIG: "experimental-features = ca-derivations",
  });
  assert.match(out, /^snow\n\/nix\/store\/[0-9a-z]{32}-environment\n$/, err);
});

test("an input that fails to build is why there is no shell", () => {
  const { code, out, err } = run(["--run", "echo never"]);
  assert.deepEqual([code, out], [100, ""]);
  assert.match(err, /-excluded\.drv/);
});

test("-p asks nixpkgs for packages, setup of a stdenv is sourced", () => {
  const nixpkgs = join(top, "nixpkgs");
  spawnSync("mkdir", ["-p", nixpkgs]);
  writeFileSync(
    join(nixpkgs, "default.nix"),
    `{ }: rec {
       stdenv = derivation { name = "stdenv"; ${SH} args = [ "-c" "/bin/busybox mkdir $out 2>/dev/null || mkdir $out; echo 'fromSetup=set; runHook() { :; }' > $out/setup" ]; };
       one = derivation { name = "one"; ${SH} args = [ "-c" "echo 1 > $out" ]; };
       two = { n }: derivation { name = "two"; ${SH} args = [ "-c" "echo \${n} > $out" ]; };
       runCommand = name: attrs: script: derivation ({ inherit name stdenv; ${SH} } // attrs);
       runCommandCC = runCommand;
       pkgs = { inherit runCommand runCommandCC; };
     }`,
  );
  const script = "echo $fromSetup; cat $buildInputs";
  const { out, err } = run(["-p", "one", 'two { n = "2"; }', "-I", `nixpkgs=${nixpkgs}`, "--run", script]);
  assert.equal(out, "set\n1\n2\n", err);
});

test("a script says in its own lines what it is run by, relative to itself", () => {
  const script = join(top, "script");
  writeFileSync(
    script,
    '#!/usr/bin/env nix-shell\n#! nix-shell --exclude excluded -i bash shell.nix\necho "$greeting $*"\n',
  );
  assert.equal(run([script, "a", "b c"]).out, "hi a b c\n");
});

test("lines of a script are taken apart as a shell does", () => {
  const script = join(top, "quoted");
  writeFileSync(
    script,
    "#!/usr/bin/env nix-shell\n#! nix-shell -i 'perl -w' -p \"a b\" c\\ d\n#! nix-shell --pure\nprint\n",
  );
  const given = parseNixShellArguments([script, "it's"], new NixSettings(), top);
  assert.deepEqual(given.evaluation.operands, ["a b", "c d"]);
  assert.deepEqual([given.isPackages, given.isPure, given.isInteractive], [true, true, false]);
  assert.equal(given.command, `exec perl -w '${script}' 'it'\\''s'`);
});
