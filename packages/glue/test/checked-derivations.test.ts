/* Derivations that claim paths which are not theirs, at the top and below it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ByteString } from "@firn/base";
import { type Derivation, floatingOutput, UNFILLED_OUTPUT } from "@firn/nix-compat";
import { checkedDerivationReader } from "../src/checked-derivations.ts";
import { derive, flatOutput, outputOf, type Written } from "./derivations.ts";

const VICTIM = `/nix/store/${"v".repeat(32)}-victim`;

/** A checked reader of these, and what was read. */
function readerOf(written: readonly (readonly [drvPath: ByteString, derivation: Derivation])[]) {
  const derivations = new Map(written);
  const read: ByteString[] = [];
  const checked = checkedDerivationReader(async (drvPath) => {
    read.push(drvPath);
    return derivations.get(drvPath) as Derivation;
  }, "/nix/store");
  return { read, checked };
}

const asIs = ({ drvPath, derivation }: Written) => [drvPath, derivation] as const;

/** The derivation with another path for its output. */
function claiming({ derivation }: Written, path: ByteString): Derivation {
  const [[name, output]] = derivation.outputs;
  return { ...derivation, outputs: new Map([...derivation.outputs, [name, { ...output, path }]]) };
}

const base = derive("base", { outputs: { out: UNFILLED_OUTPUT, dev: UNFILLED_OUTPUT } });
const fetched = derive("fetched", { outputs: { out: flatOutput("payload") } });
const floating = derive("floating", { outputs: { out: floatingOutput("nar", "sha256") } });
const middle = derive("middle", { inputs: [base, fetched] });
const deferred = derive("deferred", { inputs: [floating, middle] });
const top = derive("top", { inputs: [middle, base] });

test("derivations of every kind whose paths are theirs are read, and what was checked is not read for others again", async () => {
  const all = [base, fetched, floating, middle, deferred, top];
  const { read, checked } = readerOf(all.map(asIs));
  for (const one of all) assert.equal(await checked(one.drvPath, {}), one.derivation);
  assert.deepEqual(
    read,
    all.map(({ drvPath }) => drvPath),
  );
  assert.equal(await readerOf(all.map(asIs)).checked(top.drvPath, {}), top.derivation);
});

test("a path that is not a derivation's own is refused, whoever needs that derivation", async () => {
  const wrong = { code: "invalid-derivation", message: /has incorrect output '[^']*-victim', should be '/ };
  for (const forged of [base, middle]) {
    const others = [base, fetched, floating, middle, deferred, top].filter((one) => one !== forged).map(asIs);
    const { checked } = readerOf([...others, [forged.drvPath, claiming(forged, VICTIM)]]);
    for (const one of [forged, top, deferred]) await assert.rejects(checked(one.drvPath, {}), wrong);
    assert.equal(await checked(fetched.drvPath, {}), fetched.derivation);
  }
  // Another's path is none of its own either, nor is any where none is known before a build.
  const stolen = readerOf([asIs(fetched), asIs(base), [middle.drvPath, claiming(middle, outputOf(base))]]);
  await assert.rejects(stolen.checked(middle.drvPath, {}), { code: "invalid-derivation" });
  const claimed: Derivation = {
    ...deferred.derivation,
    outputs: new Map([["out", { kind: "input-addressed", path: VICTIM, hashAlgorithm: "", hash: "" }]]),
  };
  const early = readerOf([...[base, fetched, floating, middle].map(asIs), [deferred.drvPath, claimed]]);
  await assert.rejects(early.checked(deferred.drvPath, {}), { code: "invalid-derivation" });
});

test("a derivation that needs itself is refused", async () => {
  const circular: Derivation = { ...base.derivation, inputDrvs: new Map([[base.drvPath, ["out"]]]) };
  const { checked } = readerOf([[base.drvPath, circular]]);
  await assert.rejects(checked(base.drvPath, {}), { code: "invalid-derivation", message: /needs itself/ });
});
