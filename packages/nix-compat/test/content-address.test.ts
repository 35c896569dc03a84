import assert from "node:assert/strict";
import { test } from "node:test";
import { HashError } from "@firn/hash";
import { type ContentAddressMethod, parseContentAddress, printContentAddress } from "../src/content-address.ts";
import { NixCompatError } from "../src/error.ts";

const FORMS: readonly [string, ContentAddressMethod][] = [
  ["fixed:r:sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1", "nar"],
  ["fixed:sha1:mj1l54np5ii9al6g2cjb02n3jxwpf5k0", "flat"],
  ["fixed:git:sha1:mj1l54np5ii9al6g2cjb02n3jxwpf5k0", "git"],
  ["text:sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1", "text"],
];

test("content addresses are read and printed back", () => {
  for (const [text, method] of FORMS) {
    const address = parseContentAddress(text);
    assert.equal(address.method, method);
    assert.equal(printContentAddress(address), text);
  }
});

test("other prefixes and bad hashes are refused", () => {
  for (const text of ["", "r:sha256:00", "fixed:text:sha256:00", "recursive:sha256:00"]) {
    assert.throws(
      () => parseContentAddress(text),
      (error) => error instanceof NixCompatError && error.code === "invalid-content-address",
      text,
    );
  }
  assert.throws(() => parseContentAddress("fixed:r:sha999:00"), HashError);
  assert.throws(() => parseContentAddress("fixed:sha256:00"), HashError);
});
