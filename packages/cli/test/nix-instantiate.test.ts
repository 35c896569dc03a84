/* compat/bin's nix-instantiate without a process: arguments, settings, what goes where, and how it ends. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parseNixArguments } from "../src/compat/nix-arguments.ts";
import { runNixInstantiate } from "../src/compat/nix-instantiate.ts";
import { NixSettings, readNixSettings } from "../src/compat/nix-settings.ts";
import { endOf, UsageError } from "../src/compat/usage-error.ts";
import { fakeSession } from "./fake-session.ts";

type Ended = { readonly code: number; readonly out: string; readonly err: string };

describe("nix-instantiate", () => {
  const directory = mkdtempSync(join(tmpdir(), "firn-compat-"));
  after(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "etc"));
  writeFileSync(join(directory, "etc", "nix.conf"), "show-trace = false # the default\n!include missing.conf\n");
  writeFileSync(join(directory, "default.nix"), '{ name ? "nobody" }: { hello = "hello ${name}"; }\n');
  writeFileSync(join(directory, "name.txt"), "us\n");
  writeFileSync(join(directory, "deep.nix"), 'let\n  f = n: if n == 0 then throw "bottom" else f (n - 1);\nin\nf 9\n');

  async function run(argv: readonly string[], stdin = "", more: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const env = { NIX_CONF_DIR: join(directory, "etc"), NIX_USER_CONF_FILES: "", NIX_REMOTE: "dummy://", ...more };
    const { session, stdout, stderr } = fakeSession(directory, { env, stdin });
    let code = 0;
    try {
      await runNixInstantiate(argv, env, session);
    } catch (thrown) {
      const ending = endOf("nix-instantiate", thrown, false);
      code = ending.exitCode;
      await session.output.note(ending.text ?? "");
    } finally {
      await session.close();
    }
    return { code, out: stdout.text(), err: stderr.text() };
  }

  test("NIX_SHOW_STATS shows what was counted, on stderr or in a file, and by what was called when asked", async () => {
    const argv = ["--eval", "-E", "builtins.length [ ]"];
    const { out, err } = await run(argv, "", { NIX_SHOW_STATS: "1" });
    assert.equal(out, "0\n");
    const statistics = JSON.parse(err);
    assert.equal(statistics.nrPrimOpCalls, 1);
    assert.ok(!("primops" in statistics));
    const inFile = { NIX_SHOW_STATS: "1", NIX_COUNT_CALLS: "1", NIX_SHOW_STATS_PATH: "stats.json" };
    assert.deepEqual(await run(argv, "", inFile), { code: 0, out: "0\n", err: "" });
    const { primops } = JSON.parse(readFileSync(join(directory, "stats.json"), "utf8"));
    assert.deepEqual(primops, { length: 1 });
    assert.equal((await run(argv, "", { NIX_SHOW_STATS: "0" })).err, "");
  });

  const printed: readonly (readonly [readonly string[], string, string?])[] = [
    [["--eval", "-E", "1 + 1"], "2\n"],
    [["--eval", "-"], "[ <CODE> ]\n", "[ (1 + 1) ]"],
    [["--eval", "--strict", "-E", "[ (1 + 1) ]"], "[ 2 ]\n"],
    [["--eval", "-E", "1", "2"], "1\n2\n"],
    [["--eval", "--raw", "-E", '"a\nb"'], "a\nb"],
    [["--eval", "--json", "-E", "{ a = [ null ]; }"], '{"a":[null]}\n'],
    [
      ["--eval", "--xml", "--no-location", "-E", "1"],
      "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n  <int value=\"1\" />\n</expr>\n",
    ],
    [["--eval", "-A", "hello"], '"hello nobody"\n'],
    // Functions on the way to a value are called, the value itself only with arguments for it.
    [["--eval", "-E", "{ x ? 1 }: x"], "<LAMBDA>\n"],
    [["--eval", "--arg", "y", "2", "-E", "{ x ? 1 }: x"], "1\n"],
    [["--eval", "-E", "derivation"], "<LAMBDA>\n"],
    [["--eval", "--strict", "-E", "builtins.functionArgs derivation"], "{ outputs = true; }\n"],
    [["--eval", "--json", "--strict", "-E", "[ (1 + 1) ]"], "[2]\n"],
    [["--eval", "--argstr", "name", "you", "-A", "hello"], '"hello you"\n'],
    [["--eval", "--arg-from-stdin", "name", "-A", "hello"], '"hello them"\n', "them"],
    [["--eval", "--arg-from-file", "name", "name.txt", "-A", "hello"], '"hello us\\n"\n'],
    [["--parse", "-E", "a: a"], "(a: a)\n"],
    [["--eval", "-I", "here=.", "-E", "builtins.pathExists <here/default.nix>"], "true\n"],
    [["--eval", "--extra-experimental-features", "pipe-operators", "-E", "1 |> (x: x + 1)"], "2\n"],
  ];
  for (const [argv, out, stdin] of printed) {
    test(`${argv.join(" ")} prints a value and nothing else`, async () => {
      assert.deepEqual(await run(argv, stdin), { code: 0, out, err: "" });
    });
  }

  test("what is not at a path is said with what might have been meant, and JSON needs values", async () => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["-A", "helo"], /attribute 'helo' in selection path 'helo' not found\n +Did you mean hello\?/],
      [["-A", "0"], /selected by the selection path '0' should be a list but is a set/],
      [["--json", "-E", "[ (1 + 1) ]"], /cannot convert a thunk to JSON/],
    ];
    for (const [argv, message] of wrong) {
      const ended = await run(["--eval", ...argv]);
      assert.equal(ended.code, 1);
      assert.match(ended.err, message);
    }
  });

  test("--find-file prints where a name of the search path leads", async () => {
    assert.equal((await run(["--find-file", "-I", "here=.", "here/deep.nix"])).out, `${directory}/deep.nix\n`);
  });

  test("traces, warnings and lints go to stderr, each by its name", async () => {
    const source = 'builtins.trace "seen" (builtins.warn "old" "${toString ./.}" + http://a)';
    const { out, err } = await run(["--eval", "--lint-url-literals", "warn", "-E", source]);
    assert.match(out, /^".*http:\/\/a"\n$/);
    assert.match(err, /^warning: URL literals are discouraged.*\(lint-url-literals\)\n {9}at «string»:1:/);
    assert.match(err, /\ntrace: seen\nevaluation warning: old\n$/);
  });

  test("a fatal lint and a feature that is off are errors of the expression", async () => {
    const fatal = await run(["--eval", "--lint-absolute-path-literals", "fatal", "-E", "/etc"]);
    assert.equal(fatal.code, 1);
    assert.match(fatal.err, /^error: absolute path literals are not portable/);
    assert.match((await run(["--eval", "-E", "1 |> 2"])).err, /'pipe-operators' is disabled/);
  });

  test("a trace is cut short unless all of it is asked for; folded where it repeats", async () => {
    const short = await run(["--eval", "deep.nix"]);
    assert.doesNotMatch(short.err, /while calling 'f'/);
    const whole = await run(["--eval", "--show-trace", "deep.nix"]);
    assert.match(whole.err, /… while calling 'f'\n {9}at .*deep\.nix:2:7:/);
    assert.match(whole.err, /\n {7}\(\d+ duplicate frames omitted\)\n/);
    assert.ok(whole.err.endsWith("error: bottom\n"));
  });

  test("--option, $NIX_CONFIG and flags set the same settings, the last one wins", async () => {
    const tooDeep = /max-call-depth exceeded/;
    assert.match((await run(["--eval", "--option", "max-call-depth", "5", "deep.nix"])).err, tooDeep);
    assert.match((await run(["--eval", "deep.nix"], "", { NIX_CONFIG: "max-call-depth = 5" })).err, tooDeep);
    const both = await run(["--eval", "--max-call-depth", "500", "deep.nix"], "", { NIX_CONFIG: "max-call-depth = 5" });
    assert.match(both.err, /bottom/);
  });

  test("wrong usage ends with 1 and a hint at --help", async () => {
    const { code, err } = await run(["--frobnicate"]);
    assert.equal(code, 1);
    assert.equal(err, "error: unrecognised flag '--frobnicate'\nTry 'nix-instantiate --help' for more information.\n");
  });

  test("a setting that does not exist is warned about and changes nothing", async () => {
    const { out, err } = await run(["--eval", "--option", "no-such-thing", "1", "-E", "3"]);
    assert.deepEqual([out, err], ["3\n", "warning: unknown setting 'no-such-thing'\n"]);
  });
});

test("letters behind one dash are flags of their own", () => {
  const { attrPaths, operands } = parseNixArguments(["-vv", "-A", "a", "x.nix"], new NixSettings()).evaluation;
  assert.deepEqual([attrPaths, operands], [["a"], ["x.nix"]]);
});

test("settings refuse values of another kind", () => {
  const settings = new NixSettings();
  for (const [name, value] of [
    ["show-trace", "maybe"],
    ["lint-url-literals", "loud"],
    ["max-call-depth", "-1"],
  ])
    assert.throws(() => settings.set(name, value), UsageError);
  assert.throws(() => settings.apply("show-trace true", undefined), UsageError);
});

test("extra- adds to a list, and later files win", () => {
  const settings = readNixSettings({
    NIX_CONF_DIR: "/nonexistent",
    NIX_USER_CONF_FILES: "",
    NIX_CONFIG: "experimental-features = flakes\nextra-experimental-features = pipe-operators\nshow-trace = true",
  });
  assert.deepEqual([...settings.features()].sort(), ["flakes", "pipe-operators"]);
  assert.equal(settings.isOn("show-trace"), true);
});
