/* narinfo texts: one as caches serve it, the leniences of C++ Nix, what is refused, and what Nix itself writes. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { byteStringOf } from "@firn/base";
import { toHex, toNixBase32 } from "@firn/hash";
import { type NarInfo, parseNarInfo, parseStorePath, pathFingerprint, printNarInfo } from "@firn/nix-compat";
import fc from "fast-check";
import { need } from "../../../dev/need.ts";
import { nixSandbox } from "./nix.ts";

const NAR_HASH = "1b4sb93wp679q4zx9k1ignby1yna3z7c4c2ri3wphylbc2dwsys0";
const SIGNATURE = `cache-1:${"A".repeat(86)}==`;
const a = `${"a".repeat(32)}-a-1.0`;
const b = `${"b".repeat(32)}-b`;
const TEXT = `StorePath: /nix/store/${a}
URL: nar/14cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0k.nar.xz
Compression: xz
FileHash: sha256:14cx20k6z4hq508kqi2lm79qfld5f9mf7kiafpqsjs3zlmycza0k
FileSize: 50088
NarHash: sha256:${NAR_HASH}
NarSize: 226488
References: ${a} ${b}
Deriver: ${"d".repeat(32)}-a-1.0.drv
Sig: ${SIGNATURE}
CA: fixed:r:sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1
`;
const without = (key: string) => TEXT.replace(new RegExp(`^${key}: .*\n`, "m"), "");
const line = (key: string, value: string) => TEXT.replace(new RegExp(`^${key}: .*$`, "m"), `${key}: ${value}`);

describe("a narinfo", () => {
  test("is read field by field and printed as it was", () => {
    const info = parseNarInfo(TEXT);
    assert.equal(`${info.path}`, a);
    assert.equal(info.compression, "xz");
    assert.equal(
      info.fileHash && toHex(info.fileHash.bytes),
      "13a8cf7ca57f68a9f1752acee36a72a55187d3a954443c112818926f26109d91",
    );
    assert.equal(info.fileSize, 50_088);
    assert.equal(toNixBase32(info.narSha256), NAR_HASH);
    assert.equal(info.narSize, 226_488);
    assert.deepEqual(info.references.map(String), [a, b]);
    assert.equal(`${info.deriver}`, `${"d".repeat(32)}-a-1.0.drv`);
    assert.equal(info.contentAddress?.method, "nar");
    assert.equal(info.signatures[0].keyName, "cache-1");
    assert.equal(printNarInfo(info), TEXT);
  });

  test("has the fingerprint that is signed", () => {
    const fingerprint = byteStringOf(pathFingerprint(parseNarInfo(TEXT)));
    assert.equal(fingerprint, `1;/nix/store/${a};sha256:${NAR_HASH};226488;/nix/store/${a},/nix/store/${b}`);
  });

  const lenient: [string, string, (info: NarInfo) => unknown, unknown][] = [
    ["unknown keys are ignored", `${TEXT}Extra: x\nEmpty:\n`, (info) => printNarInfo(info), TEXT],
    ["compression is bzip2 when absent", without("Compression"), (info) => info.compression, "bzip2"],
    ["compression is bzip2 when empty", line("Compression", ""), (info) => info.compression, "bzip2"],
    ["references may be absent", without("References"), (info) => info.references.length, 0],
    [
      "references may be out of order and twice",
      line("References", `${b}  ${a} ${b}`),
      (info) => info.references.join(),
      `${a},${b}`,
    ],
    ["the deriver may be unknown", line("Deriver", "unknown-deriver"), (info) => info.deriver, undefined],
    ["the content address may be empty", line("CA", ""), (info) => info.contentAddress, undefined],
    [
      "the NAR hash may be in base 16",
      line("NarHash", `sha256:${toHex(parseNarInfo(TEXT).narSha256)}`),
      (info) => toNixBase32(info.narSha256),
      NAR_HASH,
    ],
    ["a signature of another length is left out", line("Sig", "cache-1:AAAA"), (info) => info.signatures.length, 0],
    ["a signature twice is one", `${TEXT}Sig: ${SIGNATURE}\n`, (info) => info.signatures.length, 1],
    [
      "file hash and size may be absent",
      without("FileHash").replace(/FileSize.*\n/, ""),
      (info) => info.fileSize,
      undefined,
    ],
  ];
  for (const [sentence, text, ask, expected] of lenient) {
    test(sentence, () => assert.deepEqual(ask(parseNarInfo(text)), expected));
  }

  const refused: [string, string, number | undefined][] = [
    ["no store path", without("StorePath"), undefined],
    ["no URL", without("URL"), undefined],
    ["an empty URL", line("URL", ""), undefined],
    ["no NAR hash", without("NarHash"), undefined],
    ["no NAR size", without("NarSize"), undefined],
    ["a NAR size of 0", line("NarSize", "0"), undefined],
    ["a negative size", line("NarSize", "-1"), 7],
    ["a size beyond 2^53", line("NarSize", "9007199254740993"), 7],
    ["another algorithm", line("NarHash", `sha1:${"0".repeat(32)}`), 6],
    ["a hash of a wrong length", line("NarHash", "sha256:00"), 6],
    ["a path of another store", line("StorePath", `/gnu/store/${a}`), 1],
    ["a path inside a store path", line("StorePath", `/nix/store/${a}/x`), 1],
    ["a reference that is absolute", line("References", `/nix/store/${a}`), 8],
    ["a second store path", `${TEXT}StorePath: /nix/store/${b}\n`, 12],
    ["a signature without colon", line("Sig", "AAAA"), 10],
    ["a line without colon", `${TEXT}x\n`, 12],
    ["a last line that does not end", TEXT.slice(0, -1), 11],
    ["nothing", "", undefined],
  ];
  for (const [what, text, at] of refused) {
    test(`is refused with ${what}`, () => {
      assert.throws(
        () => parseNarInfo(text),
        (thrown: { code: string; context: { line?: number } }) => {
          assert.equal(thrown.code, "invalid-nar-info");
          assert.equal(thrown.context.line, at);
          return true;
        },
      );
    });
  }

  test("is refused when longer than any narinfo is", () => {
    assert.throws(() => parseNarInfo(" ".repeat((8 << 20) + 1)), { code: "limit" });
  });

  test("that is damaged is refused or read, never a crash", () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(20), (at, byte, cut) => {
        const text = TEXT.slice(0, at) + String.fromCharCode(byte) + TEXT.slice(at + cut);
        try {
          const info = parseNarInfo(text);
          assert.deepEqual(parseNarInfo(printNarInfo(info)), info);
        } catch (thrown) {
          assert.match((thrown as { code: string }).code, /^(invalid-nar-info|limit)$/);
        }
      }),
    );
  });
});

test("what Nix writes into a binary cache is read and printed byte for byte", need("nix-store"), () => {
  const nix = nixSandbox();
  writeFileSync(join(nix.directory, "file"), "contents");
  const path = nix
    .run("nix-store", ["--add", join(nix.directory, "file")])
    .toString()
    .trim();
  const cache = join(nix.directory, "cache");
  nix.run("nix", ["copy", "--to", `file://${cache}?compression=none`, path]);
  const [name] = readdirSync(cache).filter((file) => file.endsWith(".narinfo"));
  const text = readFileSync(join(cache, name), "latin1");
  const info = parseNarInfo(text);
  assert.equal(`${info.path}`, path.slice("/nix/store/".length));
  assert.equal(printNarInfo(info), text);
  assert.equal(parseStorePath(`${info.path}`).hashPart, name.slice(0, 32));
});
