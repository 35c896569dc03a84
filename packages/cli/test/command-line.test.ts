/* From arguments to options, for every command; and what is said to those who got it wrong. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { joinPairs, splitPair } from "../src/command.ts";
import { CliError } from "../src/error.ts";
import { COMMANDS, parseCommandLine } from "../src/program.ts";
import { VERSION } from "../src/version.ts";

const silent = { out: () => undefined, columns: 80 };
const optionsOf = async (line: readonly string[]) =>
  (await parseCommandLine(line, silent))?.options as Record<string, unknown>;

async function helpOf(line: readonly string[]): Promise<string> {
  let text = "";
  assert.equal(await parseCommandLine(line, { out: (more) => void (text += more), columns: 80 }), undefined);
  return text;
}

describe("arguments become options", () => {
  const cases: readonly [line: readonly string[], expected: Record<string, unknown>][] = [
    [["store", "add", "a", "b"], { paths: ["a", "b"], name: undefined, json: false }],
    [["store", "add", "--name", "x", "a"], { paths: ["a"], name: "x" }],
    [["store", "ls", "-lR", "/p"], { path: "/p", long: true, recursive: true, directory: false, json: false }],
    [["store", "cat", "p"], { path: "p" }],
    [["store", "dump", "p"], { path: "p" }],
    [["drv", "show", "--json", "a", "b"], { paths: ["a", "b"], json: true }],
    [["completion", "fish"], { shell: "fish" }],
    [["run", "p"], { program: "p", args: [] }],
    [["run", "p", "--json", "-x", "--help", "--"], { program: "p", args: ["--json", "-x", "--help", "--"] }],
    [["run", "p", "--arg", "x", "1"], { program: "p", args: ["--arg", "x", "1"] }],
    [["run", "p", "--arg", "x"], { program: "p", args: ["--arg", "x"] }],
    [["run", "--", "p", "-x"], { program: "p", args: ["-x"] }],
    [["eval", "-E", "1"], { strict: false, format: "nix" }],
    [["eval", "--strict", "--raw", "x"], { strict: true, format: "raw" }],
    [["eval", "--json"], { format: "json" }],
    [["instantiate", "--json"], { json: true }],
    [
      ["build"],
      { link: "result", sandbox: "auto", keepGoing: false, buildSpaceBytes: undefined, timeoutMs: undefined },
    ],
    [["build", "--no-link", "-k", "-L", "-q"], { link: undefined, keepGoing: true, printLogs: true, quiet: true }],
    [["build", "-o", "out", "-j", "3", "--cores", "2"], { link: "out", jobsMax: 3, cores: 2 }],
    [["build", "--build-space", "1.5M", "--sandbox", "unshare"], { buildSpaceBytes: 1_572_864, sandbox: "unshare" }],
    [["build", "--timeout", "5", "--max-silent-time", "0"], { timeoutMs: 5000, silenceMs: undefined }],
    [["build", "--option", "max-jobs", "7", "--option", "timeout", "9"], { jobsMax: 7, timeoutMs: 9000 }],
    [["build", "-j", "2", "--option", "max-jobs", "7"], { jobsMax: 2 }],
    [["build", "--option", "keep-going", "true"], { keepGoing: true }],
  ];
  for (const [line, expected] of cases) {
    test(line.join(" "), async () => {
      const options = await optionsOf(line);
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, options[key]])), expected);
    });
  }
});

describe("the flags of an expression", () => {
  const cases: readonly [line: readonly string[], expected: Record<string, unknown>][] = [
    [[], { source: { kind: "file", path: "." }, attrPaths: [], args: [], searchPath: [], showTrace: false }],
    [["x.nix"], { source: { kind: "file", path: "x.nix" } }],
    [["-f", "x.nix"], { source: { kind: "file", path: "x.nix" } }],
    [["-"], { source: { kind: "stdin" } }],
    [["-E", "-1"], { source: { kind: "expression", text: "-1" } }],
    [["-A", "a", "-A", "b.c"], { attrPaths: ["a", "b.c"] }],
    [
      ["--arg", "a", "-1", "--argstr", "b", "--x"],
      {
        args: [
          { name: "a", kind: "expr", value: "-1" },
          { name: "b", kind: "string", value: "--x" },
        ],
      },
    ],
    [["--argstr", "a", "b=c d"], { args: [{ name: "a", kind: "string", value: "b=c d" }] }],
    [
      ["-I", "n=/a", "-I", "/b"],
      {
        searchPath: [
          { prefix: "n", path: "/a" },
          { prefix: "", path: "/b" },
        ],
      },
    ],
    [["--option", "keep-outputs", "true"], { unknownSettings: ["keep-outputs"] }],
    [["--option", "max-call-depth", "9", "--show-trace"], { callDepthMax: 9, showTrace: true, unknownSettings: [] }],
    [["--", "-f"], { source: { kind: "file", path: "-f" } }],
  ];
  for (const [line, expected] of cases) {
    test(`eval ${line.join(" ")}`, async () => {
      const expression = (await optionsOf(["eval", ...line])).expression as Record<string, unknown>;
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, expression[key]])), expected);
    });
  }
});

describe("wrong usage is said in one message with a way to help", () => {
  const cases: readonly [line: readonly string[], said: RegExp, help: string][] = [
    [["toString"], /unknown command 'toString'/, "firn --help"],
    [["bild"], /unknown command 'bild'[\s\S]*build/, "firn --help"],
    [["store", "ad"], /unknown command 'ad'[\s\S]*add/, "firn store --help"],
    [["--nonsense"], /unknown option '--nonsense'/, "firn --help"],
    [["build", "--keep-goin"], /unknown option '--keep-goin'[\s\S]*--keep-going/, "firn build --help"],
    [["store", "cat"], /missing required argument 'path'/, "firn store cat --help"],
    [["store", "cat", "a", "b"], /too many arguments/, "firn store cat --help"],
    [["eval", "-E"], /argument missing/, "firn eval --help"],
  ];
  for (const [line, said, help] of cases) {
    test(`firn ${line.join(" ")}`, async () => {
      await assert.rejects(parseCommandLine(line, silent), (thrown) => {
        assert(thrown instanceof CliError && thrown.code === "usage");
        assert.match(thrown.message, said);
        assert(thrown.message.includes(`\`${help}\``), thrown.message);
        return true;
      });
    });
  }

  for (const line of [[], ["store"]]) {
    test(`firn ${line.join(" ")} lists the commands there are`, async () => {
      await assert.rejects(parseCommandLine(line, silent), (thrown) => {
        assert(thrown instanceof CliError && thrown.code === "usage");
        assert.match(thrown.message, /^a command is missing\n\nUsage: firn [\s\S]*Commands:\n/);
        return true;
      });
    });
  }

  const refused: readonly (readonly string[])[] = [
    ["store", "add", "--name", "x", "a", "b"],
    ["completion", "tcsh"],
    ["eval", "x.nix", "-E", "1"],
    ["eval", "x.nix", "-f", "y.nix"],
    ["eval", "--json", "--raw"],
    ["eval", "--max-call-depth", "0"],
    ["eval", "--arg", "a"],
    ["build", "-j", "many"],
    ["build", "--builders", "ssh://elsewhere"],
    ["build", "--builders", "grpc+http://host?jobs=none"],
    ["build", "--build-space", "0"],
    ["build", "--build-space", "5X"],
    ["build", "--sandbox", "chroot"],
    ["build", "--check=0"],
    ["build", "--check", "--builder", "daemon:"],
    ["build", "--timeout", "-1"],
    ["build", "-o", "x", "--no-link"],
    ["build", "--option", "keep-going", "maybe"],
  ];
  for (const line of refused) {
    test(`firn ${line.join(" ")} is refused`, async () => {
      await assert.rejects(
        parseCommandLine(line, silent),
        (thrown) => thrown instanceof CliError && thrown.code === "usage",
      );
    });
  }
});

describe("help", () => {
  test("the program's lists every command with its summary", async () => {
    const text = await helpOf(["--help"]);
    for (const { name, summary } of COMMANDS)
      assert(text.includes(name.includes(" ") ? name.split(" ")[0] : summary), name);
  });

  for (const { name, summary } of COMMANDS) {
    test(`of ${name} has its summary, usage and an example`, async () => {
      const text = await helpOf([...name.split(" "), "--help"]);
      assert(text.includes(summary), text);
      assert(text.includes(`Usage: firn ${name} `), text);
      assert.match(text, /Examples:\n {2}\S/);
    });
  }

  test("of a noun lists its verbs", async () => {
    assert.match(await helpOf(["store", "--help"]), /add .*\n.*ls .*\n.*cat .*\n.*dump /);
  });

  test("the version is that of the packages", async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"));
    assert.equal(VERSION, version);
    assert.equal((await helpOf(["--version"])).trim(), version);
  });
});

describe("flags with two operands", () => {
  test("are joined so that a parser of one operand takes both, whatever they begin with", () => {
    const [joined] = joinPairs(["--arg", "--a", "-b=c"], ["--arg"]);
    assert.deepEqual(splitPair(joined.slice("--arg=".length)), { name: "--a", value: "-b=c" });
  });

  test("are left alone after --", () => {
    assert.deepEqual(joinPairs(["x", "--", "--arg", "a"], ["--arg"]), ["x", "--", "--arg", "a"]);
  });
});
