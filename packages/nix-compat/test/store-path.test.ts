import assert from "node:assert/strict";
import { test } from "node:test";
import { NixCompatError } from "../src/error.ts";
import { parseAbsoluteStorePath, parseStorePath, parseStorePathPrefix, StorePath } from "../src/store-path.ts";

const HASH = "00bgd045z0d4icpbc2yyz4gx48ak44la";
const refused = (error: unknown) => error instanceof NixCompatError && error.code === "invalid-store-path";

test("a store path is read from base name and absolute form and printed back", () => {
  for (const name of [
    "net-tools-1.60_p20170221182432",
    "a",
    "x".repeat(211),
    ".hidden",
    "...",
    ".a-b",
    "0+-._?=Z",
    "-",
    "a.drv",
  ]) {
    const path = parseStorePath(`${HASH}-${name}`);
    assert.equal(path.hashPart, HASH);
    assert.equal(path.name, name);
    assert.equal(path.toString(), `${HASH}-${name}`);
    assert.equal(path.absolute(), `/nix/store/${HASH}-${name}`);
    assert.ok(parseAbsoluteStorePath(path.absolute("/s"), "/s").equals(path));
    assert.equal(path.isDerivation, name === "a.drv");
  }
});

test("names and hash parts that break the rules are refused", () => {
  const names = ["", ".", "..", ".-a", "..-a", "x".repeat(212), "a/b", "a b", "a\0", "é", "a~", "a\n"];
  for (const name of names) assert.throws(() => new StorePath(HASH, name), refused, JSON.stringify(name));
  for (const hash of ["", HASH.slice(1), `${HASH}0`, HASH.replace("b", "e"), HASH.toUpperCase()]) {
    assert.throws(() => new StorePath(hash, "a"), refused, hash);
    assert.throws(() => parseStorePath(`${hash}-a`), refused, hash);
  }
  for (const text of ["", HASH, `${HASH}-`, `${HASH}a`]) assert.throws(() => parseStorePath(text), refused, text);
});

test("a hash part that no dash follows is none, whatever follows it", () => {
  for (const after of ["a", "_a", "/a", "/../a", "\0-a", "", ".drv", "\u2010a", `${HASH}-a`]) {
    assert.throws(() => parseStorePath(`${HASH}${after}`), refused, JSON.stringify(after));
    assert.throws(() => parseAbsoluteStorePath(`/nix/store/${HASH}${after}`), refused, JSON.stringify(after));
    assert.throws(() => parseStorePathPrefix(`/nix/store/${HASH}${after}/bin`), refused, JSON.stringify(after));
  }
});

test("a path inside a store path splits into path and rest", () => {
  const { path, rest } = parseStorePathPrefix(`/nix/store/${HASH}-a/bin/x`);
  assert.equal(path.toString(), `${HASH}-a`);
  assert.equal(rest, "/bin/x");
  assert.equal(parseStorePathPrefix(`/nix/store/${HASH}-a`).rest, "");
  assert.equal(parseStorePathPrefix(`/nix/store/${HASH}-a/`).rest, "/");
});

test("paths elsewhere, and paths inside where none is wanted, are refused", () => {
  for (const text of [
    "",
    "/nix/store",
    "/nix/store/",
    `/nix/storf/${HASH}-a`,
    `/nix/store${HASH}-a`,
    `${HASH}-a`,
    `/nix/store//${HASH}-a`,
  ]) {
    assert.throws(() => parseStorePathPrefix(text), refused, text);
  }
  assert.throws(() => parseAbsoluteStorePath(`/nix/store/${HASH}-a/`), refused);
});
