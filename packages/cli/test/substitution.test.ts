/* Outputs that come from binary caches instead of being built. The builders here fail, so that what is there was not built. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openNixCache, publish } from "@firn/backend-http-cache";
import { generateSecretKey, makeFixedOutputPath, parseAbsoluteStorePath, type SecretKey } from "@firn/nix-compat";
import {
  calculateNar,
  type PathInfo,
  printBuildTraceEntry,
  signPathInfo,
  signRealisation,
  type StoreServices,
} from "@firn/store";
import { need } from "../../../dev/need.ts";
import { fileNode, memoryStore } from "../../store/test/small-store.ts";
import { type Firn, makeFirn } from "./firn.ts";

const bwrap = need("bwrap");
const FAILING = `derivation { name = "had"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "exit 1" ]; }`;
const DEPENDANT = `derivation {
  name = "dependant"; system = builtins.currentSystem; builder = "/bin/sh"; had = ${FAILING}; args = [ "-c" "read x <$had; echo $x again >$out" ];
}`;

type Cache = { readonly hostDir: string; readonly url: string; readonly key: SecretKey; readonly outPath: string };

/** A cache that has, signed, an output of FAILING with contents of our own. */
async function makeCache(firn: Firn, expression = FAILING): Promise<Cache> {
  const { out } = await firn.run(["eval", "--raw", "--expr", `(${expression}).outPath`]);
  const outPath = out.trim();
  const store: StoreServices = memoryStore();
  const node = await fileNode(store, "from afar\n");
  const path = parseAbsoluteStorePath(outPath);
  const info: PathInfo = {
    path,
    node,
    ...(await calculateNar(node, store)),
    references: [],
    signatures: [],
    registeredAt: 1,
  };
  const key = await generateSecretKey("test-1");
  await store.pathInfos.put([await signPathInfo(info, [key], ["nix"])]);
  const hostDir = join(firn.directory, "cache");
  const url = `file://${hostDir}`;
  using cache = openNixCache(url);
  await publish([path], store, cache, { tempDir: firn.directory });
  return { hostDir, url, key, outPath };
}

const build = (expression: string, ...flags: string[]) => ["build", "--no-link", "--expr", expression, ...flags];

test("a build takes from a cache what a trusted key signed, and builds the rest on it", bwrap, async (t) => {
  const firn = makeFirn(t);
  const { url, key, outPath } = await makeCache(firn);
  const trusted = ["--substituters", url, "--trusted-public-keys", String(key.publicKey)];
  const { code, out, err } = await firn.run(build(DEPENDANT, ...trusted));
  assert.equal(code, 0, err);
  assert.match(err, new RegExp(`copying path '${outPath}' from '${url}'`));
  assert.match(err, /building 1 derivation/);
  assert.equal((await firn.run(["store", "cat", out.trim()])).out, "from afar again\n");
});

test("what nobody trusted signed is built, as is everything with --no-substitute", bwrap, async (t) => {
  const firn = makeFirn(t);
  const { url, key } = await makeCache(firn);
  const untrusted = await firn.run(build(FAILING, "--substituters", url));
  assert.equal(untrusted.code, 100);
  assert.match(untrusted.err, /without a signature by a trusted key \(signed by test-1\)/);
  const trusted = ["--substituters", url, "--trusted-public-keys", String(key.publicKey)];
  assert.equal((await firn.run(build(FAILING, ...trusted, "--no-substitute"))).code, 100);
  const forbidden = FAILING.replace("name =", "allowSubstitutes = false; name =");
  await makeCache(firn, forbidden);
  assert.equal((await firn.run(build(forbidden, "--substituters", url, "--no-check-sigs"))).code, 100);
  assert.equal((await firn.run(build(FAILING, "--substituters", url, "--no-check-sigs"))).code, 0);
});

test("what a cache offers and cannot bring is an error, or is built with --fallback", bwrap, async (t) => {
  const firn = makeFirn(t);
  const { url, hostDir } = await makeCache(firn);
  const [nar] = readdirSync(join(hostDir, "nar"));
  rmSync(join(hostDir, "nar", nar));
  const flags = ["--substituters", url, "--no-check-sigs"];
  const { code, err } = await firn.run(build(FAILING, ...flags));
  assert.equal(code, 1);
  assert.match(err, /--fallback/);
  assert.equal((await firn.run(build(FAILING, ...flags, "--fallback"))).code, 100);
});

test("caches that are down or no caches are told of, and the build goes on", bwrap, async (t) => {
  const firn = makeFirn(t);
  const { url } = await makeCache(firn);
  const urls = `http://127.0.0.1:9 file://${firn.directory}/nowhere ssh://host ${url}`;
  const { code, err } = await firn.run(build(FAILING, "--substituters", urls, "--no-check-sigs"));
  assert.equal(code, 0, err);
  assert.match(err, /127.0.0.1:9 cannot be reached/);
  assert.match(err, /no binary cache/);
  assert.match(err, /ssh:\/\/host/);
});

test("nix.conf's settings and --option say where to ask as well", bwrap, async (t) => {
  const firn = makeFirn(t);
  const { url, key } = await makeCache(firn);
  const NIX_CONFIG = `extra-substituters = ${url}\nextra-trusted-public-keys = ${key.publicKey}`;
  assert.equal((await firn.run(build(FAILING, "--store", "local:other"), { env: { NIX_CONFIG } })).code, 0);
  const options = ["--option", "substituters", url, "--option", "require-sigs", "false"];
  const { code, err } = await firn.run(build(FAILING, ...options));
  assert.equal(code, 0, err);
  assert.doesNotMatch(err, /unknown setting/);
});

test(
  "an output whose path follows from its contents comes from a cache that says what it came out as, signed",
  bwrap,
  async (t) => {
    const firn = makeFirn(t);
    const feature = ["--extra-experimental-features", "ca-derivations"];
    const expression = FAILING.replace(
      "name =",
      '__contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; name =',
    );
    const drvPath = parseAbsoluteStorePath(
      (await firn.run(["instantiate", "--expr", expression, ...feature])).out.trim(),
    );
    const store: StoreServices = memoryStore();
    const node = await fileNode(store, "came out\n");
    const nar = await calculateNar(node, store);
    const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
    const path = makeFixedOutputPath({ method: "nar", hash, name: "had", references: [], selfReference: false });
    const contentAddress = { method: "nar", hash } as const;
    await store.pathInfos.put([
      { path, node, ...nar, references: [], contentAddress, signatures: [], registeredAt: 1 },
    ]);
    const key = await generateSecretKey("test-1");
    const hostDir = join(firn.directory, "cache");
    using cache = openNixCache(`file://${hostDir}`);
    await publish([path], store, cache, { tempDir: firn.directory });
    const realisation = { drvPath, output: "out", path, signatures: [] };
    const entry = printBuildTraceEntry(await signRealisation(realisation, [key]));
    mkdirSync(join(hostDir, "build-trace-v2", drvPath.toString()), { recursive: true });
    writeFileSync(join(hostDir, "build-trace-v2", drvPath.toString(), "out.doi"), entry);
    const flags = ["--substituters", `file://${hostDir}`];
    const untrusted = await firn.run(build(expression, ...feature, ...flags));
    assert.equal(untrusted.code, 100);
    assert.match(untrusted.err, /no trusted key signed what/);
    const taken = await firn.run(
      build(expression, ...feature, ...flags, "--trusted-public-keys", String(key.publicKey)),
    );
    assert.equal(taken.out.trim(), path.absolute(), taken.err);
    assert.equal(
      (await firn.run(build(expression, ...feature))).out.trim(),
      path.absolute(),
      "it is known from now on",
    );
  },
);

test("nix-store -r brings paths that are no derivations, and outputs of those that are", bwrap, async (t) => {
  const firn = makeFirn(t);
  const { url, outPath } = await makeCache(firn);
  const main = join(import.meta.dirname, "..", "src", "compat", "main-nix-store.ts");
  const env = { ...process.env, HOME: firn.directory, FIRN_HOME: join(firn.directory, "state") };
  const nixStore = (...args: string[]) =>
    spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", main, "-r", ...args], {
      env,
      encoding: "utf8",
    });
  const options = ["--option", "substituters", url, "--option", "require-sigs", "false"];
  assert.match(nixStore(outPath, "--option", "substituters", url).stderr, /does not exist and cannot be created/);
  const { status, stdout, stderr } = nixStore(outPath, ...options);
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${outPath}\n`);
  const drvPath = (await firn.run(["instantiate", "--expr", FAILING])).out.trim();
  assert.equal(nixStore(drvPath, ...options).stdout, `${outPath}\n`);
});

test("paths are copied from a cache and to one, checked on the way", async (t) => {
  const firn = makeFirn(t);
  const { url, outPath, hostDir, key } = await makeCache(firn);
  const refused = await firn.run(["store", "copy", "--from", `nix+${url}`, outPath]);
  assert.equal(refused.code, 1);
  const keys = ["--trusted-public-keys", String(key.publicKey)];
  const taken = await firn.run(["store", "copy", "--from", `nix+${url}`, outPath, "--json", ...keys]);
  assert.deepEqual(JSON.parse(taken.out).copied, [outPath], taken.err);
  const other = join(firn.directory, "other");
  const given = await firn.run(["store", "copy", "--to", `nix+file://${other}?compression=none`, outPath]);
  assert.equal(given.code, 0, given.err);
  assert.equal(given.out, `${outPath}\n`);
  const again = await firn.run(["store", "copy", "--to", `nix+file://${other}`, outPath]);
  assert.equal(again.out, "");
  const shown = await firn.run(["store", "cat", "--store", `nix+file://${other}`, outPath]);
  assert.equal(shown.out, "from afar\n");
  assert.deepEqual(readdirSync(other).sort(), readdirSync(hostDir).sort());
  assert.equal((await firn.run(["store", "copy", "--from", `nix+${url}`, "--all"])).code, 2);
});
