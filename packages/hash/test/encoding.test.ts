import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromBase64, fromHex, fromNixBase32, toBase64, toHex, toNixBase32 } from "../src/encoding.ts";

const NIX_BASE32 = [
  ["", ""],
  ["1f", "0z"],
  ["8a12321522fd91efbd60ebb2481af88580f61600", "00bgd045z0d4icpbc2yyz4gx48ak44la"],
  [
    "b3a24de97a8fdbc835b9833169501030b8977031bcb54b3b3ac13740f846ab30",
    "0c5b8vw40dy178xlpddw65q9gf1h2186jcc3p4swinwggbllv8mk",
  ],
];

test("nixbase32 agrees with the published vectors in both directions", () => {
  for (const [hex, text] of NIX_BASE32) {
    assert.equal(toNixBase32(fromHex(hex) as Uint8Array), text);
    assert.equal(toHex(fromNixBase32(text) as Uint8Array), hex);
  }
});

test("nixbase32 refuses spare bits, impossible lengths and letters outside its alphabet", () => {
  for (const text of ["zz", "c0", "0", "0zz", "0e", "0u", "0Z", "0\u0130", "00z"])
    assert.equal(fromNixBase32(text), undefined, text);
});

test("base 16 is read in both cases and refused when odd or not hexadecimal", () => {
  assert.deepEqual(fromHex("00fFa9"), Uint8Array.of(0, 255, 169));
  for (const text of ["0", "0g", "\u01300", " 0"]) assert.equal(fromHex(text), undefined, text);
});

test("base 64 is as lenient as Nix: no padding, spare bits, line feeds, text after the padding", () => {
  const abc = Uint8Array.of(97, 98, 99, 100);
  for (const text of ["YWJjZA==", "YWJjZA", "YWJjZB==", "YWJj\nZA==", "YWJjZA==!!"])
    assert.deepEqual(fromBase64(text), abc, text);
  for (const text of ["YWJ jZA==", "YWJ-", "YW\u0141j"]) assert.equal(fromBase64(text), undefined, text);
});

test("every encoding gives back the bytes it was made from, and agrees with Buffer", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(toHex(bytes), Buffer.from(bytes).toString("hex"));
      assert.equal(toBase64(bytes), Buffer.from(bytes).toString("base64"));
      assert.deepEqual(fromHex(toHex(bytes)), bytes);
      assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
      assert.deepEqual(fromNixBase32(toNixBase32(bytes)), bytes);
    }),
  );
});
