/* What an output came out as goes where the output goes: to stores of every kind and to caches, signed and unsigned. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { need } from "../../../dev/need.ts";
import { makeFirn } from "./firn.ts";

const KIND = '__contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";';
const EXPRESSION = `derivation { name = "floating"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo x > $out" ]; ${KIND} }`;
const BUILD = ["build", "--no-link", "--extra-experimental-features", "ca-derivations", "--expr", EXPRESSION];

/** A place to run Firn in that fails loudly; `at` runs it with another store of its own. */
function makePlace(t: TestContext) {
  const firn = makeFirn(t);
  const at = async (home: string, ...args: string[]) => {
    const { code, out, err } = await firn.run(args, { env: { FIRN_HOME: join(firn.directory, home) } });
    assert.equal(code, 0, err);
    return { out: out.trim(), err };
  };
  return { directory: firn.directory, at };
}

describe("a realisation", need("bwrap"), () => {
  test("is copied with its path, through every store that keeps such, so that nothing is built again", async (t) => {
    const { at, directory } = makePlace(t);
    const { out } = await at("first", ...BUILD);
    const stores = ["objects:obj", "sqlite:all.sqlite", `local:${join(directory, "middle")}`];
    let from = `local:${join(directory, "first/store")}`;
    for (const to of stores) {
      const copied = JSON.parse((await at("unused", "store", "copy", "--json", "--from", from, "--to", to, out)).out);
      assert.deepEqual([copied.copied, copied.realisations], [[out], 1], to);
      from = to;
    }
    const last = await at("second", "store", "copy", "--from", from, "--all");
    assert.match(last.err, /copied 1 path and 1 realisation to local:/);
    const built = await at("second", ...BUILD);
    assert.equal(built.out, out);
    assert.doesNotMatch(built.err, /building/);
    assert.match((await at("third", ...BUILD)).err, /building/);
  });

  test("is signed with its path, and believed by who trusts the key when it comes from a cache", async (t) => {
    const { at, directory } = makePlace(t);
    const { out } = await at("first", ...BUILD);
    const cache = `file://${join(directory, "cache")}`;
    writeFileSync(join(directory, "secret"), (await at("first", "key", "generate", "test-1")).out);
    const key = (await at("first", "key", "public", "secret")).out;
    const signed = await at("first", "store", "sign", "-k", "secret", out);
    assert.match(signed.err, /added 2 signatures by test-1\S* to 1 paths, and 1 to what derivations they came out of/);
    assert.doesNotMatch((await at("first", "store", "sign", "-k", "secret", out)).err, /came out of/);
    const published = JSON.parse((await at("first", "store", "copy", "--json", "--to", `nix+${cache}`, out)).out);
    assert.deepEqual([published.copied, published.realisations], [[out], 1]);
    const trusting = ["--substituters", cache, "--trusted-public-keys", key];
    const taken = await at("second", ...BUILD, ...trusting);
    assert.equal(taken.out, out);
    assert.doesNotMatch(taken.err, /building/);
    const other = (await at("third", "key", "generate", "other-1")).out;
    writeFileSync(join(directory, "other"), other);
    const stranger = (await at("third", "key", "public", "other")).out;
    const built = await at("third", ...BUILD, "--substituters", cache, "--trusted-public-keys", stranger);
    assert.match(built.err, /building/);
  });
});
