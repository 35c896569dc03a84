/* The quick look at a directory's children finds what decoding it finds. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOf } from "@firn/base";
import {
  CastoreError,
  type Digest,
  Directory,
  type DirectoryEntry,
  digestFromBytes,
  digestOf,
  scanChildren,
} from "@firn/castore";
import * as fc from "fast-check";

const digest = fc.uint8Array({ maxLength: 8 }).map(digestOf);
const node: fc.Arbitrary<DirectoryEntry["node"]> = fc.oneof(
  fc.record({ kind: fc.constant("directory" as const), digest, size: fc.nat() }),
  fc.record({ kind: fc.constant("file" as const), digest, size: fc.nat(), executable: fc.boolean() }),
  fc.record({ kind: fc.constant("symlink" as const), target: fc.constantFrom("a", "x".repeat(300)) }),
);
const name = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((bytes) => byteStringOf(bytes).replace(/[\0/]/g, "_"))
  .filter((text) => text !== "." && text !== "..");
const directory = fc.dictionary(name, node, { maxKeys: 20, noNullPrototype: false }).map((entries) => {
  const sorted = Object.entries(entries).map(([entryName, entry]) => ({ name: entryName, node: entry }));
  return new Directory(sorted);
});

test("the children of an encoding are those of its directory, wherever it lies in a buffer", () => {
  fc.assert(
    fc.property(directory, fc.nat({ max: 9 }), (made, before) => {
      const bytes = new Uint8Array(before + made.encoded.length + 3).fill(255);
      bytes.set(made.encoded, before);
      const found: [string, Digest][] = [];
      scanChildren(bytes, before, before + made.encoded.length, (kind, at) =>
        found.push([kind, digestFromBytes(bytes.subarray(at, at + 32))]),
      );
      const expected = made.entries.flatMap(({ node: child }) =>
        child.kind === "symlink" ? [] : [[child.kind, child.digest] as [string, Digest]],
      );
      assert.deepEqual(found.sort(), expected.sort());
    }),
  );
});

test("bytes that are no directory end in an error or in nothing, never beyond their end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        scanChildren(bytes, 0, bytes.length, (_, at) => assert.ok(at + 32 <= bytes.length));
      } catch (thrown) {
        assert.ok(thrown instanceof CastoreError);
      }
    }),
  );
});
