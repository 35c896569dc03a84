import assert from "node:assert/strict";
import { test } from "node:test";
import { hashByteString, parseHash, toHex } from "@firn/hash";
import { NixCompatError } from "../src/error.ts";
import { parseStorePath } from "../src/store-path.ts";
import {
  compressHash,
  downstreamPlaceholder,
  downstreamPlaceholderOfOutput,
  type FixedOutput,
  makeFixedOutputPath,
  makeTextPath,
  passAsFileName,
  placeholder,
} from "../src/store-path-hash.ts";

test("text paths are those of builtins.toFile", () => {
  const foo = makeTextPath("foo", "bar", []);
  assert.equal(foo.toString(), "vxjiwkjkn7x4079qvh1jkl5pn05j2aw0-foo");
  assert.equal(makeTextPath("baz", foo.absolute(), [foo]).toString(), "5xd714cbfnkz02h2vbsj4fm03x3f15nf-baz");
  assert.notEqual(makeTextPath("foo", "bar", [], "/other/store").hashPart, foo.hashPart);
});

test("references count as a set", () => {
  const a = parseStorePath("00bgd045z0d4icpbc2yyz4gx48ak44la-a");
  const b = parseStorePath("10bgd045z0d4icpbc2yyz4gx48ak44la-b");
  assert.ok(makeTextPath("x", "", [a, b]).equals(makeTextPath("x", "", [b, a, b])));
});

test("fixed-output paths agree with C++ Nix", () => {
  const cases: readonly [FixedOutput, string][] = [
    [
      { method: "nar", hash: parseHash("sha1:0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"), name: "bar" },
      "mp57d33657rf34lzvlbpfa1gjfv5gmpg-bar",
    ],
    [
      {
        method: "nar",
        hash: parseHash("sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1"),
        name: "baz",
        references: [parseStorePath("dxwkwjzdaq7ka55pkk252gh32bgpmql4-foo")],
      },
      "s89y431zzhmdn3k8r96rvakryddkpv2v-baz",
    ],
    [
      {
        method: "flat",
        hash: parseHash("sha256-Xa1Jbl2Eq5+L0ww+Ph1osA3Z/Dxe/RkN1/dITQCdXFk="),
        name: "notmuch-extract-patch",
      },
      "06qi00hylriyfm0nl827crgjvbax84mz-notmuch-extract-patch",
    ],
    [
      { method: "nar", hash: parseHash("sha256:1hf6cgaci1n186kkkjq106ryf8mmlq9vnwgfwh625wa8hfgdn4dm"), name: "source" },
      "7adgvk5zdfq4pwrhsm3n9lzypb12gw0g-source",
    ],
  ];
  for (const [output, path] of cases) assert.equal(makeFixedOutputPath(output).toString(), path);
});

test("references where the method allows none are refused", () => {
  const sha256 = parseHash("sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1");
  const sha1 = parseHash("sha1:0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33");
  const references = [parseStorePath("dxwkwjzdaq7ka55pkk252gh32bgpmql4-foo")];
  const refused: FixedOutput[] = [
    { method: "flat", hash: sha256, name: "x", references },
    { method: "flat", hash: sha256, name: "x", selfReference: true },
    { method: "nar", hash: sha1, name: "x", references },
    { method: "text", hash: sha1, name: "x" },
    { method: "text", hash: sha256, name: "x", selfReference: true },
    { method: "git", hash: parseHash("md5:c4874a8897440b393d862d8fd459073f"), name: "x" },
  ];
  for (const output of refused) {
    assert.throws(
      () => makeFixedOutputPath(output),
      (error) => error instanceof NixCompatError && error.code === "invalid-content-address",
    );
  }
  const plain = makeFixedOutputPath({ method: "nar", hash: sha256, name: "x" });
  assert.notEqual(
    makeFixedOutputPath({ method: "nar", hash: sha256, name: "x", selfReference: true }).hashPart,
    plain.hashPart,
  );
});

test("placeholders and the names of passAsFile files agree with C++ Nix", () => {
  assert.equal(placeholder("out"), "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
  assert.equal(placeholder(""), "/171rf4jhx57xqz3p7swniwkig249cif71pa08p80mgaf0mqz5bmr");
  assert.equal(passAsFileName("bar"), ".attr-1fcgpy7vc4ammr7s17j2xq88scswkgz23dqzc04g8sx5vcp2pppw");
  assert.equal(passAsFileName("baz"), ".attr-15l04iksj1280dvhbzdq9ai3wlf8ac2188m9qv0gn81k9nba19ds");
});

test("the placeholder of another derivation's output is made of its hash part and the output path's name", () => {
  const drv = parseStorePath("00bgd045z0d4icpbc2yyz4gx48ak44la-x.drv");
  assert.match(downstreamPlaceholder(drv, "out"), /^\/[0-9a-z]{52}$/);
  assert.notEqual(downstreamPlaceholder(drv, "out"), downstreamPlaceholder(drv, "dev"));
});

test("placeholders of outputs are those of C++ Nix, also where the derivation is an output itself", () => {
  const of = (name: string) => downstreamPlaceholder(parseStorePath(`g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q-${name}`), "out");
  assert.equal(of("foo.drv"), "/0c6rn30q4frawknapgwq386zq358m8r6msvywcvc89n6m5p2dgbz");
  const inner = of("foo.drv.drv");
  assert.equal(downstreamPlaceholderOfOutput(inner, "out"), "/0gn6agqxjyyalf0dpihgyf49xq5hqxgw100f0wydnj6yqrhqsb3w");
  assert.throws(() => downstreamPlaceholderOfOutput("/nix/store/x", "out"), { code: "invalid-output" });
});

test("folding a digest is XOR of its slices", () => {
  assert.equal(toHex(compressHash(Uint8Array.of(1, 2, 3, 4, 5), 2)), toHex(Uint8Array.of(1 ^ 3 ^ 5, 2 ^ 4)));
  assert.equal(compressHash(hashByteString("sha256", "")).length, 20);
});
