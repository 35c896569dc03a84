/* The Directory model against the published vectors of both size rules, and its rules. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byteStringOf, bytesOf } from "@firn/base";
import { type Digest, Directory, type DirectoryEntry, digestOf, EMPTY_DIGEST, type Node } from "@firn/castore";
import { toHex } from "@firn/hash";
import fc from "fast-check";

const emptyFile: Node = { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false };
const symlink = (target: string): Node => ({ kind: "symlink", target });
const keep = new Directory([{ name: ".keep", node: emptyFile }]);
const empty = Directory.EMPTY.node;
const named = (name: string, node: Node): DirectoryEntry => ({ name, node });

describe("digests of directories equal the published vectors", () => {
  const complicated = (size: number) =>
    new Directory([
      named("aa", symlink("/nix/store/somewhereelse")),
      named("keep", { ...keep.node, size }),
      named(".keep", emptyFile),
    ]);
  const nested = new Directory([named("a", empty)]);
  const parent = (size: number) => new Directory([named("a", empty), named("b", { ...nested.node, size })]);
  const vectors: [string, Directory, string][] = [
    ["the empty one", Directory.EMPTY, EMPTY_DIGEST],
    [".keep", keep, "8b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e"],
    ["a", nested, "8701f4722d8dae7f2c40fa003331b8437a3825f9e1bfd3a77998c64cc226b9cc"],
    [
      "a and a'",
      new Directory([named("a", empty), named("a'", empty)]),
      "78eb200ae0cc95d4ea954655fbcf91e285013a261310e161927f2401d2bca803",
    ],
    [
      "complicated, size by the prose",
      complicated(1),
      "3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a",
    ],
    [
      "complicated, size by the code",
      complicated(2),
      "424a7f6ce08d805d15b428062faae96299a1675d708c3a39261afe38cdd04feb",
    ],
    ["nested, size by the prose", parent(1), "99922a5c1801805287a647af73bca0ed7352a5f7f373e54992795bcc4a235213"],
    ["nested, size by the code", parent(2), "76cd8b55b37333961c1778ba997e57df92e219926ae5a66c414b810331a77603"],
  ];
  for (const [name, directory, digest] of vectors) {
    test(name, () => {
      assert.equal(directory.digest, digest);
      assert.equal(Directory.decode(directory.encoded).digest, digest);
    });
  }

  test("the encoding of .keep is the published one", () => {
    assert.equal(toHex(keep.encoded), `12290a052e6b6565701220${EMPTY_DIGEST}`);
  });

  test("own sizes follow the code: twice the entries and the children's sizes", () => {
    assert.equal(keep.size, 2);
    assert.equal(keep.specSize, 1);
    assert.equal(complicated(keep.size).size, 8);
    assert.equal(complicated(keep.specSize).specSize, 4);
    assert.equal(parent(nested.size).size, 6);
    assert.equal(parent(nested.specSize).specSize, 3);
  });
});

describe("a Directory keeps the rules", () => {
  test("entries are sorted by bytes, across kinds, and found by name", () => {
    const directory = new Directory([
      named("b", emptyFile),
      named("\xff", symlink("x")),
      named("a", empty),
      named("B", emptyFile),
    ]);
    assert.deepEqual(
      directory.entries.map(({ name }) => name),
      ["B", "a", "b", "\xff"],
    );
    assert.equal(directory.get("a"), empty);
    assert.equal(directory.get("c"), undefined);
    assert.deepEqual(directory.entries, Directory.decode(directory.encoded).entries);
  });

  const refused: [string, DirectoryEntry[], string][] = [
    ["an empty name", [named("", emptyFile)], "invalid-name"],
    ["a dot", [named(".", emptyFile)], "invalid-name"],
    ["two dots", [named("..", emptyFile)], "invalid-name"],
    ["a slash", [named("a/b", emptyFile)], "invalid-name"],
    ["a NUL", [named("a\0", emptyFile)], "invalid-name"],
    ["256 bytes of name", [named("x".repeat(256), emptyFile)], "invalid-name"],
    ["a char above 255", [named("\u0100", emptyFile)], "invalid-name"],
    ["a name twice", [named("b", emptyFile), named("a", empty), named("b", symlink("x"))], "invalid-directory"],
    ["a name twice in order", [named("a", emptyFile), named("a", emptyFile)], "invalid-directory"],
    ["an empty target", [named("a", symlink(""))], "invalid-target"],
    ["a NUL in a target", [named("a", symlink("x\0y"))], "invalid-target"],
    ["4096 bytes of target", [named("a", symlink("x".repeat(4096)))], "invalid-target"],
    ["a short digest", [named("a", { ...empty, digest: "af" as Digest })], "invalid-digest"],
    ["an upper-case digest", [named("a", { ...empty, digest: "AF".repeat(32) as Digest })], "invalid-digest"],
    ["a negative size", [named("a", { ...empty, size: -1 })], "invalid-directory"],
    ["sizes that overflow", [named("a", { ...empty, size: Number.MAX_SAFE_INTEGER })], "limit"],
  ];
  for (const [name, entries, code] of refused) {
    test(`${name} is refused`, () => assert.throws(() => new Directory(entries), { code }));
  }
  test("the longest name and target are taken", () => {
    new Directory([named("x".repeat(255), symlink("y".repeat(4095)))]);
  });
});

describe("only the canonical encoding is decoded", () => {
  const digest = `1220${EMPTY_DIGEST}`;
  const entry = (tag: string, body: string) => `${tag}${(body.length / 2).toString(16).padStart(2, "0")}${body}`;
  const name = (letter: string) => `0a01${toHex(bytesOf(letter))}`;
  const file = (letter: string, rest = "") => entry("12", `${name(letter)}${digest}${rest}`);
  const malformed: [string, string][] = [
    ["an unknown field", "2000"],
    ["lists out of order", file("a") + entry("0a", name("b") + digest)],
    ["names out of order", file("b") + file("a")],
    ["a name twice in one list", file("a") + file("a")],
    ["fields out of order", entry("12", digest + name("a"))],
    ["no digest", entry("12", name("a"))],
    ["a digest of 31 bytes", entry("12", `${name("a")}121f${EMPTY_DIGEST.slice(2)}`)],
    ["a size of 0", file("a", "1800")],
    ["a size written long", file("a", "188100")],
    ["a size above 2^53-1", file("a", "18ffffffffffffffff7f")],
    ["an executable bit of 0", file("a", "2000")],
    ["an executable bit of 2", file("a", "2002")],
    ["an executable directory", entry("0a", `${name("a")}${digest}2001`)],
    ["a field twice", file("a", "18011801")],
    ["a length beyond the end", "12ff01"],
    ["a cut entry", file("a").slice(0, -2)],
    ["a symlink with a size", entry("1a", `${name("a")}1201611801`)],
  ];
  for (const [what, hex] of malformed) {
    test(`${what} is malformed`, () =>
      assert.throws(() => Directory.decode(Buffer.from(hex, "hex")), { code: "malformed" }));
  }
  test("a name in two lists is refused", () => {
    const hex = entry("0a", name("a") + digest) + file("a");
    assert.throws(() => Directory.decode(Buffer.from(hex, "hex")), { code: "invalid-directory" });
  });
  test("bytes of another digest are corrupt", () => {
    assert.throws(() => Directory.decodeVerified(keep.encoded, EMPTY_DIGEST), { code: "corrupt" });
    assert.equal(Directory.decodeVerified(keep.encoded, keep.digest).digest, keep.digest);
  });
});

test("any directory survives encoding, and any bytes that decode encode to themselves", () => {
  const byteString = (max: number) =>
    fc.uint8Array({ minLength: 1, maxLength: max }).map((bytes) => byteStringOf(bytes));
  const anyName = byteString(20).filter((text) => !/[\0/]/.test(text) && text !== "." && text !== "..");
  const anyDigest = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => digestOf(bytes));
  const anySize = fc.integer({ min: 0, max: 2 ** 40 });
  const plain = { noNullPrototype: true };
  const anyNode: fc.Arbitrary<Node> = fc.oneof(
    fc.record({ kind: fc.constant("directory" as const), digest: anyDigest, size: anySize }, plain),
    fc.record(
      { kind: fc.constant("file" as const), digest: anyDigest, size: anySize, executable: fc.boolean() },
      plain,
    ),
    fc.record(
      { kind: fc.constant("symlink" as const), target: byteString(300).filter((text) => !text.includes("\0")) },
      plain,
    ),
  );
  const anyEntries = fc.uniqueArray(fc.record({ name: anyName, node: anyNode }, plain), {
    selector: ({ name }) => name,
    maxLength: 12,
  });
  fc.assert(
    fc.property(anyEntries, (entries) => {
      const directory = new Directory(entries);
      const decoded = Directory.decode(directory.encoded);
      assert.deepEqual(decoded.entries, directory.entries);
      assert.equal(decoded.digest, directory.digest);
    }),
  );
  fc.assert(
    fc.property(anyEntries, fc.nat(), fc.integer({ min: 1, max: 255 }), (entries, place, flip) => {
      const bytes = new Directory(entries).encoded.slice();
      if (bytes.length === 0) return;
      bytes[place % bytes.length] ^= flip;
      let decoded: Directory;
      try {
        decoded = Directory.decode(bytes);
      } catch (thrown) {
        assert.match((thrown as { code: string }).code, /^(malformed|invalid-|limit)/);
        return;
      }
      assert.deepEqual(decoded.encoded, bytes);
    }),
  );
});
