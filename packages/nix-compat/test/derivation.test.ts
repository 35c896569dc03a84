import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHash } from "@firn/hash";
import {
  checkOutputName,
  DEFERRED_OUTPUT,
  type Derivation,
  derivationKind,
  type DerivationOutput,
  fixedOutput,
  fixedOutputHash,
  floatingOutput,
  impureOutput,
  sortedMap,
  sortedSet,
  UNFILLED_OUTPUT,
} from "../src/derivation.ts";
import { NixCompatError } from "../src/error.ts";

const SHA256 = parseHash("sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1");
const refused = (error: unknown) => error instanceof NixCompatError && error.code === "invalid-output";

function withOutputs(outputs: Record<string, DerivationOutput>): Derivation {
  const rest = { name: "x", inputDrvs: new Map(), inputSrcs: [], system: "s", builder: "b", args: [], env: new Map() };
  return { ...rest, outputs: sortedMap(Object.entries(outputs)) };
}

test("maps and sets are sorted bytewise, the last of equal keys counts", () => {
  const entries: [string, number][] = [
    ["b", 1],
    ["\xe9", 2],
    ["a", 3],
    ["B", 4],
    ["b", 5],
  ];
  assert.deepEqual(
    [...sortedMap(entries)],
    [
      ["B", 4],
      ["a", 3],
      ["b", 5],
      ["\xe9", 2],
    ],
  );
  assert.deepEqual(sortedSet(["b", "a", "b", "B"]), ["B", "a", "b"]);
});

test("the kind of a derivation is that of its outputs", () => {
  assert.equal(derivationKind(withOutputs({ out: UNFILLED_OUTPUT, dev: UNFILLED_OUTPUT })), "input-addressed");
  assert.equal(derivationKind(withOutputs({ out: fixedOutput("nar", SHA256) })), "fixed");
  assert.equal(derivationKind(withOutputs({ a: floatingOutput("nar", "sha256") })), "floating");
  assert.equal(derivationKind(withOutputs({ a: impureOutput("nar", "sha256") })), "impure");
  assert.equal(derivationKind(withOutputs({ a: DEFERRED_OUTPUT })), "deferred");
});

test("no outputs, mixed outputs and fixed outputs beside others or not named out are refused", () => {
  const fixed = fixedOutput("flat", SHA256);
  const mixes: Record<string, DerivationOutput>[] = [
    {},
    { out: UNFILLED_OUTPUT, x: floatingOutput("nar", "sha256") },
    { out: fixed, x: fixed },
    { x: fixed },
  ];
  for (const outputs of mixes) {
    assert.throws(() => derivationKind(withOutputs(outputs)), refused, JSON.stringify(outputs));
  }
});

test("a fixed output gives back what it was made of", () => {
  for (const method of ["flat", "nar", "text", "git"] as const) {
    assert.deepEqual(fixedOutputHash(fixedOutput(method, SHA256)), { method, hash: SHA256 });
  }
  assert.throws(() => fixedOutputHash(UNFILLED_OUTPUT), refused);
});

test("output names follow the rules of store path names, and drvPath is reserved", () => {
  for (const name of ["out", "dev", "a.b", "drv"]) checkOutputName(name);
  for (const name of ["", "drvPath", "a/b", "."]) assert.throws(() => checkOutputName(name), refused, name);
});
