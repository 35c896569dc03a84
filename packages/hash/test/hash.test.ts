import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { need } from "../../../dev/need.ts";
import { fromHex, toHex } from "../src/encoding.ts";
import { HashError, type HashErrorCode } from "../src/error.ts";
import type { HashAlgorithm } from "../src/algorithm.ts";
import { equalHashes, parseHash, printHash } from "../src/hash.ts";

const SHA256 = "a5ce9c155ed09397614646c9717fc7cd94b1023d7b76b618d409e4fefd6e9d39";
const FORMS: readonly [HashAlgorithm, string, string][] = [
  ["sha256", SHA256, "0fcxdvyzxr09shcbcxkv7l1b356dqxzp3ja68rhrg4yhbqarrkm5"],
  ["sha256", SHA256, "pc6cFV7Qk5dhRkbJcX/HzZSxAj17drYY1Ank/v1unTk="],
  ["sha1", "6016777997c30ab02413cf5095622cd7924283ac", "mj1l54np5ii9al6g2cjb02n3jxwpf5k0"],
  ["md5", "c4874a8897440b393d862d8fd459073f", "1z0xcx93rdhqykj2s4jy44m1y4"],
];

test("one digest is read from every encoding, with and without its algorithm", () => {
  for (const [algorithm, hex, other] of FORMS) {
    for (const text of [hex, other, hex.toUpperCase()]) {
      assert.equal(toHex(parseHash(text, algorithm).bytes), hex);
      assert.equal(toHex(parseHash(`${algorithm}:${text}`).bytes), hex);
      assert.equal(toHex(parseHash(`${algorithm}:${text}`, algorithm).bytes), hex);
    }
  }
});

test("SRI may lack padding, carry spare bits and be followed by more", () => {
  const forms = [
    ["sha256-pc6cFV7Qk5dhRkbJcX/HzZSxAj17drYY1Ank/v1unTk=", SHA256],
    ["sha256-pc6cFV7Qk5dhRkbJcX/HzZSxAj17drYY1Ank/v1unTk= sha256-x", SHA256],
    [
      "sha256-fgIr3TyFGDAXP5+qoAaiMKDg/a1MlT6Fv/S/DaA24S8",
      "7e022bdd3c851830173f9faaa006a230a0e0fdad4c953e85bff4bf0da036e12f",
    ],
    [
      "sha256-syceJMUEknBDCHK8eGs6rUU3IQn+HnQfURfCrDxYPa9=",
      "b3271e24c5049270430872bc786b3aad45372109fe1e741f5117c2ac3c583daf",
    ],
  ];
  for (const [text, hex] of forms) assert.equal(toHex(parseHash(text).bytes), hex);
});

test("what is no hash is refused with a code that says why", () => {
  const refused: readonly [string, HashAlgorithm | undefined, HashErrorCode][] = [
    ["sha384-AAAA", undefined, "unknown-algorithm"],
    ["SHA256:00", undefined, "unknown-algorithm"],
    ["toString:00", undefined, "unknown-algorithm"],
    [SHA256, undefined, "algorithm-missing"],
    [`sha1:${SHA256}`, "sha256", "algorithm-mismatch"],
    ["sha256:00", undefined, "wrong-length"],
    ["fgIr3TyFGDAXP5+qoAaiMKDg/a1MlT6Fv/S/DaA24S8", "sha256", "wrong-length"],
    ["sha256-AAAA", undefined, "wrong-length"],
    [SHA256.replace("a", "x"), "sha256", "invalid-encoding"],
    ["zcxdvyzxr09shcbcxkv7l1b356dqxzp3ja68rhrg4yhbqarrkm5e", "sha256", "invalid-encoding"],
    ["sha256-pc6cFV7Qk5dhRkbJcX/HzZSx*j17drYY1Ank/v1unTk=", undefined, "invalid-encoding"],
  ];
  for (const [text, expected, code] of refused) {
    assert.throws(
      () => parseHash(text, expected),
      (error) => error instanceof HashError && error.code === code,
      text,
    );
  }
});

test("hashes are equal when algorithm and digest are", () => {
  const sha256 = parseHash(SHA256, "sha256");
  assert.ok(equalHashes(sha256, parseHash(SHA256, "sha256")));
  assert.ok(!equalHashes(sha256, { algorithm: "blake3", bytes: sha256.bytes }));
});

test("printed forms are those of nix-hash", need("nix-hash"), () => {
  for (const [algorithm, hex] of FORMS) {
    const hash = { algorithm, bytes: fromHex(hex) as Uint8Array };
    const nix = (...args: string[]) =>
      execFileSync("nix-hash", ["--type", algorithm, ...args, hex], { encoding: "utf8" }).trim();
    assert.equal(printHash(hash, "nix32", false), nix("--to-base32"));
    assert.equal(printHash(hash, "base16", false), nix("--to-base16"));
    assert.equal(printHash(hash, "nix32"), `${algorithm}:${nix("--to-base32")}`);
    assert.equal(printHash(hash, "sri"), `${algorithm}-${printHash(hash, "base64", false)}`);
    assert.ok(equalHashes(parseHash(printHash(hash, "sri")), hash));
  }
});
