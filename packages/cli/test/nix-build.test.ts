/* nix-build beside Debian's: output paths, links, exit codes. Each has a store of its own. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { Words } from "../src/compat/words.ts";

const MAIN = join(import.meta.dirname, "../src/compat/main-nix-build.ts");
const BUSYBOX = spawnSync("sh", ["-c", "command -v busybox"], { encoding: "utf8" }).stdout.trim();
const top = mkdtempSync(join(tmpdir(), "firn-nix-build-"));
after(() => rmSync(top, { recursive: true, force: true }));

let runs = 0;

type Ran = { readonly code: number | null; readonly out: string; readonly err: string; readonly directory: string };

function run(args: readonly string[]): Ran {
  const directory = join(top, `run-${++runs}`);
  mkdirSync(directory);
  const env = { PATH: process.env.PATH, HOME: top, FIRN_HOME: join(top, "state"), NIX_CONF_DIR: top };
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", MAIN, ...args],
    { cwd: directory, env, encoding: "utf8" },
  );
  return { code: status, out: stdout, err: stderr, directory };
}

/** What Debian's nix-build does with the same words, below a store directory of its own. */
function runReference(args: readonly string[]): Ran {
  const directory = join(top, `run-${++runs}`);
  mkdirSync(directory);
  const root = join(directory, ".nix");
  const env = {
    PATH: process.env.PATH,
    HOME: top,
    NIX_REMOTE: `local?root=${root}`,
    NIX_CONF_DIR: top,
    NIX_CONFIG: `build-users-group =\nsandbox = true\nsubstitute = false\nsandbox-paths = /bin/sh=${BUSYBOX}`,
  };
  const { status, stdout, stderr } = spawnSync("nix-build", args, { cwd: directory, env, encoding: "utf8" });
  return { code: status, out: stdout, err: stderr, directory };
}

const SH = 'system = builtins.currentSystem; builder = "/bin/sh";';
const expression = (name: string, script: string, more = "") =>
  `derivation { name = "${name}"; ${SH} args = [ "-c" ${JSON.stringify(script)} ]; ${more} }`;

const FAILURES: readonly (readonly [string, readonly string[], number])[] = [
  ["a builder that fails", ["-E", expression("fails", "exit 3")], 100],
  ["a builder that takes too long", ["--timeout", "1", "-E", expression("slow", "while :; do :; done")], 101],
  [
    "a builder that says nothing for too long",
    ["--max-silent-time", "1", "-E", expression("silent", "while :; do :; done")],
    101,
  ],
  [
    "contents that are not the promised ones",
    [
      "-E",
      expression(
        "wrong",
        "echo snow > $out",
        'outputHash = "0000000000000000000000000000000000000000000000000000"; outputHashAlgo = "sha256";',
      ),
    ],
    102,
  ],
  ["an expression that fails", ["-E", 'throw "no"'], 1],
  ["a flag that is none", ["--no-such-flag"], 1],
];

for (const [what, args, code] of FAILURES) {
  test(`${what} ends with ${code}, as with Debian's`, { ...need("nix-build") }, () => {
    const { code: ours, err, directory } = run(args);
    assert.equal(ours, code, err);
    assert.deepEqual(readdirSync(directory), []);
    assert.equal(runReference(args).code, code);
  });
}

test("outputs are printed and linked to, numbered as Debian's", { ...need("nix-build") }, () => {
  const one = expression("one", "echo 1 > $out; echo d > $doc", 'outputs = [ "out" "doc" ];');
  const both = ["-E", `{ one = ${one}; two = ${expression("two", "echo 2 > $out")}; }`];
  const args = [...both, "-A", "one", "-A", "one.doc", "-A", "two", "-o", "res"];
  const ours = run(args);
  assert.equal(ours.code, 0, ours.err);
  const links = readdirSync(ours.directory).sort();
  assert.deepEqual(links, ["res", "res-2", "res-doc"]);
  assert.deepEqual(
    links.map((name) => readFileSync(join(ours.directory, name), "utf8")),
    ["1\n", "2\n", "d\n"],
  );
  assert.ok(lstatSync(join(ours.directory, "res")).isSymbolicLink());
  const theirs = runReference(args);
  if (theirs.code === 0) {
    assert.equal(ours.out, theirs.out);
    assert.deepEqual(
      readdirSync(theirs.directory)
        .filter((name) => name !== ".nix")
        .sort(),
      links,
    );
  }
});

test("--dry-run says what would be built, builds nothing and prints no path", () => {
  const { code, out, err, directory } = run(["--dry-run", "-E", expression("dry", "echo > $out")]);
  assert.deepEqual([code, out], [0, ""]);
  assert.match(err, /^this derivation will be built:\n {2}\/nix\/store\/[a-z0-9]{32}-dry\.drv\n$/);
  assert.deepEqual(readdirSync(directory), []);
});

test("derivations are built by their paths, and -k goes on after a failure", () => {
  const set = `{ bad = ${expression("bad", "exit 1")}; good = ${expression("good", "echo fine > $out")}; }`;
  const failed = run(["-k", "-E", set, "--no-out-link", "--drv-link", "drv"]);
  assert.equal(failed.code, 100);
  const linked = run(["-E", set, "-A", "good", "--drv-link", "drv", "--no-out-link"]);
  assert.equal(linked.code, 0, linked.err);
  assert.equal(linked.err, "", "it was built already");
  const drvPath = run(["-E", set, "-A", "good", "--no-out-link", "-Q"]).out;
  assert.equal(drvPath, linked.out);
});

test("operands are not taken apart", () => {
  const words = new Words(["--argstr", "x", "-O2", "-vj4"]);
  const seen: string[] = [];
  for (const word of words) seen.push(word, ...(word === "--argstr" ? words.operands(word, 2) : []));
  assert.deepEqual(seen, ["--argstr", "x", "-O2", "-v", "-j", "4"]);
});

test("letters behind one dash are flags, and what follows them is an operand", () => {
  assert.deepEqual(
    [...new Words(["-vv", "-j4", "-kK", "--max-jobs", "-", "x-y"])],
    ["-v", "-v", "-j", "4", "-k", "-K", "--max-jobs", "-", "x-y"],
  );
});
