/* parse, eval, instantiate and drv show from end to end, nix-instantiate being the judge where it is there. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { need } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

const HELLO = join(import.meta.dirname, "..", "..", "..", "examples", "hello");

describe("firn parse and eval", () => {
  const firn = makeFirn({ after });
  const file = (name: string, text: string | Buffer) => {
    const path = join(firn.directory, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
    return path;
  };
  file("set/default.nix", '{ a = { b = [ 1 2 ]; }; s = "text"; f = { x, y ? 2 }: x + y; here = ./x; }\n');
  file("lambda.nix", '{ name, greeting ? "Hello" }: "${greeting}, ${name}"\n');
  file("broken.nix", "{\n  a = 1;\n  b = ];\n}\n");
  file("throws.nix", '{\n  a = throw "on purpose";\n}\n');

  const printed: readonly [line: readonly string[], out: string, stdin?: string][] = [
    [["parse", "-E", "a: b: a + b * 2"], "(a: (b: (a + (__mul b 2))))\n"],
    [["parse", "-"], "{ x = 1; }\n", "{ x = 1; }"],
    [["eval", "-E", "1 + 2"], "3\n"],
    [["eval", "set", "-A", "a.b"], "[ 1 2 ]\n"],
    [["eval", "set", "-A", "a.b", "-A", "s"], '[ 1 2 ]\n"text"\n'],
    [["eval", "-f", "set/default.nix", "-A", "s", "--raw"], "text"],
    [["eval", "--json", "set", "-A", "a"], '{"b":[1,2]}\n'],
    [["eval", "--strict", "-E", "[ (1 + 1) ]"], "[ 2 ]\n"],
    [["eval", "-E", "[ (1 + 1) ]"], "[ <CODE> ]\n"],
    [["eval", "lambda.nix", "--argstr", "name", "you"], '"Hello, you"\n'],
    [["eval", "lambda.nix", "--arg", "name", '"a" + "b"', "--argstr", "greeting", "-x"], '"-x, ab"\n'],
    [["eval", "-I", "lib=set", "-E", "(import <lib>).s"], '"text"\n'],
    [["eval", "-"], "7\n", "3 + 4"],
    [["eval", "--raw", "-E", "builtins.storeDir"], "/nix/store"],
  ];
  for (const [line, out, stdin] of printed) {
    test(`firn ${line.join(" ")}`, async () => {
      const ended = await firn.run(line, stdin === undefined ? {} : { stdin });
      assert.deepEqual({ out: ended.out, err: ended.err, code: ended.code }, { out, err: "", code: 0 });
    });
  }

  test("a string leaves as the bytes it is", async () => {
    const bytes = Buffer.from([0x22, 0x66, 0xff, 0xc3, 0x28, 0x22]);
    const { stdout } = await firn.run(["eval", "--raw", file("bytes.nix", bytes)]);
    assert.deepEqual(stdout, bytes.subarray(1, -1));
  });

  test("--stats counts what the evaluation did, on stderr", async () => {
    const { out, err } = await firn.run(["eval", "--stats", "-E", "let f = x: x + 1; in f (f 1)"]);
    assert.equal(out, "3\n");
    const statistics = JSON.parse(err);
    assert.equal(statistics.nrFunctionCalls, 2);
    assert.deepEqual(statistics.functions, [{ name: "f", line: 1, column: 9, count: 2 }]);
    assert.ok(statistics.cpuTime > 0 && statistics.gc.heapSize > 0);
    assert.deepEqual(Object.keys(statistics), Object.keys(statistics).toSorted());
  });

  test("--trace-function-calls names each call's place and time, also of what fails", async () => {
    const { code, err } = await firn.run(["eval", "--trace-function-calls", "-E", 'let x = throw "no"; in x']);
    assert.equal(code, 1);
    const [entered, exited] = err.split("\n");
    assert.match(entered, /^function-trace entered «string»:1:9 at \d{19}$/);
    assert.match(exited, /^function-trace exited «string»:1:9 at \d{19}$/);
  });

  test("traces and warnings go to stderr and leave the value alone", async () => {
    const { out, err } = await firn.run(["eval", "-E", 'builtins.trace "seen" 1']);
    assert.equal(out, "1\n");
    assert.equal(err, "trace: seen\n");
  });

  test("an unknown setting is warned about", async () => {
    const { err, code } = await firn.run(["eval", "--option", "keep-outputs", "true", "-E", "1"]);
    assert.equal(code, 0);
    assert.equal(err, "warning: unknown setting 'keep-outputs'\n");
  });

  test("NIX_STORE_DIR, NIX_PATH and the environment are seen", async () => {
    const env = { NIX_STORE_DIR: "/gnu/store", NIX_PATH: "n=set", MINE: "m" };
    const expression = 'builtins.storeDir + (import <n>).s + builtins.getEnv "MINE"';
    assert.equal((await firn.run(["eval", "--raw", "-E", expression], { env })).out, "/gnu/storetextm");
  });

  const failed: readonly [line: readonly string[], said: readonly RegExp[]][] = [
    [
      ["parse", "broken.nix"],
      [/^error: syntax error, unexpected '\]'/, /broken\.nix:3:7/, /b = \];/],
    ],
    [
      ["eval", "broken.nix"],
      [/syntax error/, /broken\.nix:3:7/],
    ],
    [
      ["eval", "throws.nix", "-A", "a"],
      [/error: on purpose/, /throws\.nix:2:7/, /a = throw/],
    ],
    [["eval", "-E", "undefinedName"], [/undefined variable 'undefinedName'/]],
    [["eval", "set", "-A", "a.c"], [/^error: attribute 'c'/]],
    [["eval", "absent.nix"], [/^error: 'absent\.nix' does not exist\n$/]],
    [["eval"], [/^error: there is no default\.nix in '\.'/]],
    [["eval", "--max-call-depth", "100", "-E", "let f = x: 1 + f x; in f 1"], [/stack overflow|max-call-depth/]],
    [["instantiate", "-E", "1"], [/does not evaluate to a derivation/]],
  ];
  for (const [line, said] of failed) {
    test(`firn ${line.join(" ")} says where and what, without a stack`, async () => {
      const { code, out, err } = await firn.run(line);
      assert.equal(code, 1, err);
      assert.equal(out, "");
      for (const pattern of said) assert.match(err, pattern);
      assert.doesNotMatch(err, /\.ts:|node:internal|\n\s+at (?:async|new|Object)/);
    });
  }

  test("Ctrl-C ends waiting for standard input", async () => {
    const { code } = await firn.run(["eval", "--option", "nothing", "x", "-"], {
      signalAfter: { text: "unknown setting", signal: "SIGINT" },
    });
    assert.equal(code, 130);
  });

  test("Ctrl-C ends an evaluation that would not end", async () => {
    const expression =
      "builtins.trace \"begun\" (builtins.foldl' (a: b: a) 0 (builtins.genList (x: builtins.foldl' (a: b: b) 0 (builtins.genList (y: y) 100000)) 100000))";
    const { code, err } = await firn.run(["eval", "-E", expression], {
      signalAfter: { text: "begun", signal: "SIGINT" },
    });
    assert.equal(code, 130);
    assert.match(err, /error: interrupted\n$/);
  });
});

describe("firn instantiate and drv show", () => {
  const firn = makeFirn({ after });

  test("derivations are those of nix-instantiate", need("nix-instantiate"), async () => {
    const env = { ...process.env, NIX_REMOTE: `local?root=${join(firn.directory, "nix")}` };
    for (const attr of [[], ["-A", "greeting"], ["-A", "words.doc"]]) {
      const nix = execFileSync("nix-instantiate", [HELLO, ...attr], {
        env,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      assert.equal((await firn.run(["instantiate", HELLO, ...attr])).out, nix);
    }
  });

  test("--json names the outputs", async () => {
    const [row] = JSON.parse((await firn.run(["instantiate", "--json", HELLO, "-A", "words"])).out);
    assert.equal(row.name, "words");
    assert.equal(row.attrPath, "words");
    assert.deepEqual(Object.keys(row.outputs).sort(), ["doc", "out"]);
  });

  test("what was instantiated can be shown, listed and printed", async () => {
    const drvPath = (await firn.run(["instantiate", HELLO, "-A", "greeting"])).out.trim();
    const shown = await firn.run(["drv", "show", drvPath]);
    assert.match(shown.out, /name +greeting\.txt\n/);
    assert.match(shown.out, /out = \/nix\/store\/[^ ]+-greeting\.txt \(sha256:[0-9a-f]{64}\)/);
    const { [drvPath]: json } = JSON.parse((await firn.run(["drv", "show", "--json", drvPath])).out);
    assert.equal(json.env.out, json.outputs.out.path);
    assert.equal(json.outputs.out.hashAlgo, "sha256");
    assert.match((await firn.run(["store", "cat", drvPath])).out, /^Derive\(\[\("out"/);
  });

  test("a .drv file of the host is shown as well", async () => {
    const drvPath = (await firn.run(["instantiate", HELLO, "-A", "words"])).out.trim();
    const copy = join(firn.directory, drvPath.slice("/nix/store/".length));
    writeFileSync(copy, (await firn.run(["store", "cat", drvPath])).stdout);
    assert.match((await firn.run(["drv", "show", copy])).out, /name +words\n/);
  });

  test("what is no derivation is refused", async () => {
    writeFileSync(join(firn.directory, "bad.drv"), "Derive(");
    for (const path of [
      "bad.drv",
      "absent.drv",
      "absent",
      (await firn.run(["store", "add", "bad.drv", "--name", "x"])).out.trim(),
    ]) {
      const { code, err } = await firn.run(["drv", "show", path]);
      assert.equal(code, 1);
      assert.match(err, /^error: [^\n]+\n$/);
    }
  });

  test("a failed evaluation writes nothing", async () => {
    const expression =
      'let d = n: derivation { name = n; system = "s"; builder = "b"; }; in [ (d "one") (throw (d "two").drvPath) ]';
    const { code, err } = await firn.run(["instantiate", "-E", expression]);
    assert.equal(code, 1);
    const [drvPath] = /\/nix\/store\/[^ \n]+two\.drv/.exec(err) ?? [];
    assert(drvPath !== undefined, err);
    assert.match((await firn.run(["drv", "show", drvPath])).err, /is not in the store/);
  });
});
