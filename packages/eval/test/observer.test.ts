/* What observers are told, that nobody else is, and that counting gives C++ Nix's numbers. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { need } from "../../../dev/need.ts";
import { deepForce } from "../src/builtins/control.ts";
import { EvalError } from "../src/error.ts";
import { Evaluator } from "../src/evaluator.ts";
import { OPERATIONS } from "../src/instruction.ts";
import type { Observer } from "../src/observer.ts";
import { printValue } from "../src/print.ts";
import { type EvalCounts, Statistics } from "../src/statistics.ts";
import { PathValue } from "../src/value.ts";
import { EMPTY_IO } from "./test-io.ts";

const ROOT = new PathValue(EMPTY_IO.rootTree, "/");

function run(source: string, observer: Observer, codeStore = new Map<string, Uint8Array>()): string {
  const io = { ...EMPTY_IO, readFile: () => "x: x + 1", kindOf: () => "regular" as const };
  const evaluator = new Evaluator({
    io,
    observer,
    codeStore: { load: (key) => codeStore.get(key), save: (key, bytes) => void codeStore.set(key, bytes) },
  });
  return evaluator.run(() => printValue(deepForce(evaluator.evaluate(source, ROOT))));
}

/** Everything that is told of, in order, with columns for positions. */
function logged(log: string[]): Observer {
  const note = (what: string) => (about: unknown) => void log.push(`${what} ${String(about)}`);
  return {
    callEntered: note("call"),
    callLeft: note("/call"),
    functionEntered: ({ name, arity }) => void log.push(`function ${name} ${arity}`),
    functionLeft: ({ name }) => void log.push(`/function ${name}`),
    builtinEntered: note("builtin"),
    builtinLeft: (name, result) => void log.push(`/builtin ${name} ${String(result)}`),
    thunkForced: note("forced"),
  };
}

test("calls, functions, builtins and thunks are told of in order", () => {
  const log: string[] = [];
  assert.equal(run("let f = x: x - 1; in f (f 3)", logged(log)), "1");
  assert.deepEqual(log, [
    ...["call 22", "function f 1", "call 14", "builtin sub"],
    ...[
      "forced 25",
      "call 25",
      "function f 1",
      "call 14",
      "builtin sub",
      "/builtin sub 2",
      "/call 14",
      "/function f",
      "/call 25",
    ],
    ...["/builtin sub 1", "/call 14", "/function f", "/call 22"],
  ]);
});

test("functions that builtins call are told of, those of several arguments as one", () => {
  const log: string[] = [];
  run("builtins.foldl' (a: b: a + b) 0 [ 1 2 ]", { functionEntered: logged(log).functionEntered });
  assert.deepEqual(log, ["function  2", "function  2"]);
});

test("what an error ends is left", () => {
  const log: string[] = [];
  assert.throws(() => run('(x: throw "no") 1', logged(log)), EvalError);
  const entered = log.filter((line) => /^(call|function|builtin)/.test(line)).map((line) => line.split(" ")[0]);
  const left = log.filter((line) => line.startsWith("/")).map((line) => line.slice(1).split(" ")[0]);
  assert.deepEqual(left, entered.toReversed());
  assert.ok(log.includes("/builtin throw undefined"));
});

test("sources are told of, and whether their code was kept", () => {
  const kept = new Map<string, Uint8Array>();
  const told: string[] = [];
  const observer: Observer = { compiled: ({ label, bytes, cached }) => void told.push(`${label} ${bytes} ${cached}`) };
  for (let time = 0; time < 2; time++) run("import /a.nix 1", observer, kept);
  assert.deepEqual(told, ["«string» 15 false", "/a.nix 8 false", "«string» 15 false", "/a.nix 8 true"]);
});

test("the table of operations is as before when an observed evaluation has ended", () => {
  const before = OPERATIONS.map((operation) => Object.getOwnPropertyDescriptors(operation));
  run("1 + 1", new Statistics(true).observer);
  assert.throws(() => run("1 1", new Statistics(true).observer), EvalError);
  assert.deepEqual(
    OPERATIONS.map((operation) => Object.getOwnPropertyDescriptors(operation)),
    before,
  );
});

test("an observed evaluation nests as deep as any other", () => {
  const statistics = new Statistics(false);
  assert.equal(run("let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 900", statistics.observer), "900");
  assert.equal(statistics.counts().nrFunctionCalls, 901);
});

const COUNTED = [
  "let f = n: if n < 2 then n else f (n - 1) + f (n - 2); in f 10",
  "(map (x: x + 1) [ 1 2 3 ]) ++ builtins.genList (x: x) 4",
  "{ a = 1; b.c = 2; }.b.c + (rec { x = y; y = 3; } // { z = 1; }).x",
  "let add = { a, b ? a, ... }@args: a + b * args.c; in add { a = 1; c = 2; } + (with { y = 3; }; y)",
  "builtins.foldl' (a: b: a + b) 0 [ 1 2 3 ] + ({ a = { }; }.a.b or 1)",
];

const SAME = ["nrFunctionCalls", "nrPrimOpCalls", "nrLookups", "nrOpUpdates", "nrOpUpdateValuesCopied"] as const;

test("counts are those of C++ Nix", need("nix-instantiate"), () => {
  for (const source of COUNTED) {
    const statistics = new Statistics(true);
    const value = run(source, statistics.observer);
    const args = ["-c", 'nix-instantiate --eval --strict -E "$1" 2>&1', "sh", source];
    const env = { PATH: process.env.PATH, NIX_REMOTE: "dummy://", NIX_SHOW_STATS: "1", NIX_COUNT_CALLS: "1" };
    const text = execFileSync("sh", args, { env, encoding: "utf8" });
    const theirs: EvalCounts & { primops: unknown } = JSON.parse(
      text.slice(text.indexOf('{\n  "'), text.lastIndexOf("\n}") + 2),
    );
    const ours = statistics.counts();
    const pick = (counts: EvalCounts) => [
      ...SAME.map((name) => counts[name]),
      counts.list.concats,
      counts.list.elements,
    ];
    assert.deepEqual(pick(ours), pick(theirs), source);
    assert.deepEqual(statistics.callCounts().primops, theirs.primops, source);
    assert.ok(text.includes(value));
  }
});
