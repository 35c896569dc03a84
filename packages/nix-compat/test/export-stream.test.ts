/* Exported paths: read as Nix writes them, written as Nix reads them, refused when they are something else. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { byteStringOf, concatBytes } from "@firn/base";
import {
  EXPORT_REFERENCES_MAX,
  exportEnd,
  exportHead,
  exportTrailer,
  type ExportTrailer,
  NarWriter,
  NixCompatError,
  readExport,
} from "@firn/nix-compat";

const A: ExportTrailer = { path: "/nix/store/00000000000000000000000000000000-a", references: [] };
const B: ExportTrailer = {
  path: "/nix/store/11111111111111111111111111111111-b",
  references: [A.path, "/nix/store/11111111111111111111111111111111-b"],
  deriver: "/nix/store/22222222222222222222222222222222-b.drv",
};

function narOf(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new NarWriter((chunk) => parts.push(chunk));
  writer.startDirectory().entry("f").startFile(text.length, false).contents(Buffer.from(text)).endDirectory().finish();
  return concatBytes(parts);
}

const STREAM = concatBytes([
  exportHead(),
  narOf("first"),
  exportTrailer(A),
  exportHead(),
  narOf(""),
  exportTrailer(B),
  exportEnd(),
]);

async function* inPieces(bytes: Uint8Array, length: number) {
  const buffer = new Uint8Array(length); // the same one each time, as a producer may
  for (let at = 0; at < bytes.length; at += length) {
    const piece = bytes.subarray(at, at + length);
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}

async function readAll(bytes: Uint8Array, length = bytes.length) {
  const found: { readonly nar: string; readonly trailer: ExportTrailer }[] = [];
  for await (const { nar, trailer } of readExport(inPieces(bytes, Math.max(1, length)))) {
    let text = "";
    for await (const chunk of nar) text += byteStringOf(chunk);
    found.push({ nar: text, trailer: await trailer() });
  }
  return found;
}

describe("a stream of exported paths", () => {
  const expected = [
    { nar: byteStringOf(narOf("first")), trailer: A },
    { nar: byteStringOf(narOf("")), trailer: B },
  ];
  for (const length of [1, 3, 8, 100, 1 << 16]) {
    test(`comes out as it went in, in pieces of ${length} bytes`, async () => {
      assert.deepEqual(await readAll(STREAM, length), expected);
    });
  }

  test("may carry a signature, which is skipped, and be followed by something else", async () => {
    const withSignature = exportTrailer(A).slice();
    withSignature[withSignature.length - 8] = 1;
    const signature = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 97, 98, 99, 0, 0, 0, 0, 0);
    const stream = concatBytes([exportHead(), narOf("x"), withSignature, signature, exportEnd(), Buffer.from("more")]);
    assert.deepEqual(
      (await readAll(stream)).map(({ trailer }) => trailer),
      [A],
    );
  });

  test("is refused wherever it is cut", async () => {
    for (let length = 0; length < STREAM.length; length += 5)
      await assert.rejects(readAll(STREAM.subarray(0, length)), NixCompatError, `cut at ${length}`);
  });

  const many = { path: A.path, references: new Array(EXPORT_REFERENCES_MAX + 1).fill(A.path) };
  const refused: readonly (readonly [string, Uint8Array, string])[] = [
    ["something else", Buffer.from("not an export at all"), "limit"],
    ["a count that is neither 0 nor 1", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), "invalid-export"],
    ["a NAR that is none", concatBytes([exportHead(), Buffer.from("x".repeat(100))]), "limit"],
    ["a NAR without what the store says of it", concatBytes([exportHead(), narOf("x"), exportEnd()]), "invalid-export"],
    [
      "a path that is too long",
      concatBytes([exportHead(), narOf("x"), exportTrailer({ path: "x".repeat(5000), references: [] })]),
      "limit",
    ],
    ["too many references", concatBytes([exportHead(), narOf("x"), exportTrailer(many)]), "limit"],
  ];
  for (const [what, bytes, code] of refused) {
    test(`is refused with ${what}`, async () => {
      await assert.rejects(readAll(bytes), (thrown: NixCompatError) => thrown.code === code);
    });
  }
});
