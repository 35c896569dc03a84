/*
Derivations whose outputs are not where they say: addressed by contents, impure, made by other derivations, and what depends on such. Outputs are
those of Debian's nix-build where it knows the kind; of dynamic derivations it knows nothing, so they are compared with what they stand for.
*/

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { need, onPath } from "../../../dev/need.ts";
import { type Ended, makeFirn } from "./firn.ts";
import { layTools, nixPeer, WITH_TOOLS } from "./nix-peer.ts";

const canBuild = {
  ...(onPath("bwrap") === undefined ? need("unshare") : {}),
  ...need("busybox"),
  ...need("nix-build"),
};
const FEATURES = ["--extra-experimental-features", "ca-derivations dynamic-derivations impure-derivations"];

const KINDS = `{ salt ? "" }: ${WITH_TOOLS} rec {
  a = sh "a" "echo hello > $out; : \${salt}" ca;
  self = sh "self" "echo I am $out, after $a > $out" (ca // { inherit a; });
  two = sh "two" "$b mkdir $out $doc; echo $out $doc > $doc/x; echo $out > $out/self; $b ln -s $out $doc/link" (ca // { outputs = [ "out" "doc" ]; });
  doc = two.doc;
  deferred = sh "deferred" "echo $a $self $two $doc > $out" { inherit a self two doc; };
  late = sh "late" "echo late-$deferred > $out" (ca // { inherit deferred; });
  flat = sh "flat" "echo flat > $out" (ca // { outputHashMode = "flat"; });
  sha1 = sh "sha1" "$b mkdir $out; echo x > $out/x" (ca // { outputHashAlgo = "sha1"; });
  fod = sh "fod" "read x < $a; echo $x > $out" { inherit a; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"; };
  structured = sh "structured" "\${busybox} cat $NIX_BUILD_TOP/.attrs.json > \${builtins.placeholder "out"}" (ca // { __structuredAttrs = true; x = a; });
  discarding = sh "discarding" "echo \${a} \${builtins.placeholder "out"} > \${builtins.placeholder "out"}" (ca // { __structuredAttrs = true; unsafeDiscardReferences.out = true; });
  exporting = sh "exporting" "$b grep '^/' graph | $b sort -u > $out" { exportReferencesGraph = [ "graph" self.drvPath ]; };
  imported = sh "imported" "echo \${builtins.readFile a} > $out" { };
  cycle = sh "cycle" "echo $doc > $out; echo $out > $doc" (ca // { outputs = [ "doc" "out" ]; });
  program = sh "program" "echo x > $out; $b chmod +x $out" (ca // { outputHashMode = "flat"; });
  referring = sh "referring" "echo $b > $out" (ca // { outputHashMode = "flat"; });
  seeing = sh "seeing" "$b cat /etc/passwd > $out" { __noChroot = true; };
  impure = sh "impure" "echo impure > $out" { __impure = true; };
  impureToo = sh "impure-too" "echo $impure > $out" { inherit impure; __impure = true; };
  known = sh "known" "read x < $impure; echo hello > $out" { inherit impure; outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"; };
  pure = sh "pure" "echo $impure > $out" { inherit impure; };
}`;

describe("derivations of all kinds", canBuild, () => {
  const firn = makeFirn({ after });
  layTools(firn.directory);
  const nix = nixPeer(firn.directory);
  writeFileSync(join(firn.directory, "kinds.nix"), KINDS);
  const build = (...flags: string[]): Promise<Ended> => firn.run(["build", "--no-link", ...FEATURES, ...flags]);
  const select = (attrs: readonly string[]) => attrs.flatMap((attr) => ["-A", attr]);
  const lines = ({ code, out, err }: Ended) => {
    assert.equal(code, 0, err);
    return out.trim().split("\n");
  };

  test("outputs and references are those of nix-build", async () => {
    const attrs = "a self two doc deferred late flat sha1 fod structured imported".split(" ");
    const ours = lines(await build("kinds.nix", ...select(attrs)));
    const theirs = nix.run("nix-build", "--no-out-link", "kinds.nix", ...select(attrs)).split("\n");
    assert.deepEqual(ours, theirs);
    const infos = JSON.parse((await firn.run(["store", "path-info", "--json", ...ours])).out);
    for (const { path, references, narHash } of infos) {
      assert.deepEqual(references, nix.run("nix-store", "-q", "--references", path).split("\n").filter(Boolean).sort());
      const hash = nix.run("nix-store", "-q", "--hash", path);
      assert.equal(narHash, nix.run("nix", "hash", "to-sri", hash));
    }
    assert.deepEqual(await build("kinds.nix", ...select(attrs)), { code: 0, ...quiet(ours) });
  });

  test("a change that makes no other contents goes no further", async () => {
    const before = await build("kinds.nix", "-A", "late");
    const { out, err } = await build("kinds.nix", "-A", "late", "--argstr", "salt", "other");
    assert.equal(out, before.out);
    assert.deepEqual(
      Array.from(err.matchAll(/building '.*-(.*)\.drv'/g), ([, name]) => name),
      ["a"],
    );
  });

  test("what cannot be addressed is refused in Nix's words, and nothing is registered", async () => {
    const cases: [string, RegExp][] = [
      ["cycle", /cycle detected in build of '.*-cycle\.drv' in the references of output 'doc' from output 'out'/],
      ["program", /should be a non-executable regular file since recursive hashing is not enabled/],
      ["referring", /fixed output derivation 'referring' is not allowed to refer to other store paths/],
    ];
    const { code, out, err } = await build("kinds.nix", "-k", ...select(cases.map(([attr]) => attr)));
    assert.equal(code, 100, err);
    assert.equal(out, "");
    for (const [, message] of cases) assert.match(err, message);
    assert.match(nix.fail("nix-build", "kinds.nix", "-A", "cycle"), cases[0][1]);
  });

  test("references that are discarded are none, and the contents still speak of the final path", async () => {
    const [path] = lines(await build("kinds.nix", "-A", "discarding"));
    const [{ references }] = JSON.parse((await firn.run(["store", "path-info", "--json", path])).out);
    assert.deepEqual(references, []);
    const text = (await firn.run(["store", "cat", path])).out.trim().split(" ");
    assert.equal(text[1], path);
  });

  test("a graph of derivations has the outputs these came out as, which Nix has not learnt yet", async () => {
    const [self, a] = lines(await build("kinds.nix", "-A", "self", "-A", "a"));
    const [path] = lines(await build("kinds.nix", "-A", "exporting"));
    const graph = (await firn.run(["store", "cat", path])).out.trim().split("\n");
    for (const output of [self, a]) assert.ok(graph.includes(output), graph.join(" "));
    assert.equal(graph.filter((line) => line.endsWith("-self.drv")).length, 1);
    assert.equal((await build("kinds.nix", "-A", "exporting", "--check")).code, 0);
    assert.match(nix.fail("nix-build", "kinds.nix", "-A", "exporting"), /not yet implemented/);
  });

  test("an impure derivation is built each time, and known in no store", async () => {
    const impure = lines(await build("kinds.nix", "-A", "impureToo"));
    const [{ outputs }] = JSON.parse(nix.run("nix", "build", "--no-link", "--json", "-f", "kinds.nix", "impureToo"));
    assert.deepEqual(impure, [outputs.out]);
    const again = await build("kinds.nix", "-A", "impureToo");
    assert.match(again.err, /building '.*-impure\.drv'[\s\S]*building '.*-impure-too\.drv'/);
  });

  test("only what has a known result or is impure itself may depend on what is impure", async () => {
    const [known] = lines(await build("kinds.nix", "-A", "known"));
    assert.equal(known, nix.run("nix-build", "--no-out-link", "kinds.nix", "-A", "known"));
    const { code, err } = await build("kinds.nix", "-A", "pure");
    assert.equal(code, 1);
    const message = /pure derivation '.*-pure\.drv' depends on impure derivation '.*-impure\.drv'/;
    assert.match(err, message);
    assert.match(nix.fail("nix-build", "kinds.nix", "-A", "pure"), message);
  });

  test("only a relaxed sandbox shows the host to a derivation that asks for it", async () => {
    const strict = await build("kinds.nix", "-A", "seeing");
    assert.equal(strict.code, 1);
    const message = /derivation '.*-seeing\.drv' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'/;
    assert.match(strict.err, message);
    assert.match(nix.fail("nix-build", "kinds.nix", "-A", "seeing"), message);
    const [path] = lines(await build("kinds.nix", "-A", "seeing", "--option", "sandbox", "relaxed"));
    assert.equal((await firn.run(["store", "cat", path])).out, readFileSync("/etc/passwd", "utf8"));
  });

  test("a result link holds an output whose path follows from its contents; without it a collection forgets it", async () => {
    const { out } = await firn.run(["build", ...FEATURES, "kinds.nix", "-A", "self"]);
    await firn.run(["store", "gc"]);
    assert.equal((await firn.run(["store", "path-info", out.trim()])).code, 0);
    assert.deepEqual(await build("kinds.nix", "-A", "self"), { code: 0, ...quiet([out.trim()]) });
    rmSync(join(firn.directory, "result"));
    await firn.run(["store", "gc"]);
    assert.notEqual((await firn.run(["store", "path-info", out.trim()])).code, 0);
    const rebuilt = await build("kinds.nix", "-A", "self");
    assert.equal(rebuilt.out, out);
    assert.match(rebuilt.err, /building 2 derivations/);
  });
});

const DYNAMIC = `${WITH_TOOLS} rec {
  text = { __contentAddressed = true; outputHashMode = "text"; outputHashAlgo = "sha256"; };
  # A derivation that makes another one's .drv file.
  making = name: drv: sh name "$b cat $drv > $out" (text // { drv = builtins.unsafeDiscardOutputDependency drv.drvPath; });
  inner = sh "inner" "echo from inner > $out" ca;
  pair = sh "pair" "echo out > $out; echo doc of $out > $doc" { outputs = [ "out" "doc" ]; };
  makesInner = making "inner.drv" inner;
  makesPair = making "pair.drv" pair;
  makesMaker = making "inner.drv.drv" makesInner;
  use = a: c: sh "user" "$b cat $a $c > $out; echo $a $c >> $out" { inherit a c; };
  dynamic = use (builtins.outputOf makesInner.outPath "out") (builtins.outputOf makesPair.outPath "doc");
  direct = use inner pair.doc;
  twice = use (builtins.outputOf (builtins.outputOf makesMaker.outPath "out") "out") inner;
  once = use inner inner;
  contents = builtins.readFile (builtins.outputOf makesInner.outPath "out");
  garbage = use (builtins.outputOf (sh "no.drv" "echo no derivation > $out" text).outPath "out") inner;
}`;

describe("derivations that are outputs", canBuild, () => {
  const firn = makeFirn({ after });
  layTools(firn.directory);
  writeFileSync(join(firn.directory, "default.nix"), DYNAMIC);
  const build = (...flags: string[]) => firn.run(["build", "--no-link", ...FEATURES, ...flags]);

  test("what they make is what building them directly makes, at any depth", async () => {
    for (const [through, direct] of [
      ["dynamic", "direct"],
      ["twice", "once"],
    ]) {
      const first = await build("-A", through);
      assert.equal(first.code, 0, first.err);
      assert.equal((await build("-A", direct)).out, first.out);
    }
  });

  test("an evaluation can read what they make", async () => {
    const { out, err } = await firn.run(["eval", ...FEATURES, "-A", "contents", "."]);
    assert.equal(out.trim(), '"from inner\\n"', err);
  });

  test("an output that is no derivation is refused", async () => {
    const { code, err } = await build("-A", "garbage");
    assert.notEqual(code, 0);
    assert.match(err, /no\.drv/);
  });
});

function quiet(out: readonly string[]) {
  const text = `${out.join("\n")}\n`;
  return { stdout: Buffer.from(text), out: text, err: "" };
}
