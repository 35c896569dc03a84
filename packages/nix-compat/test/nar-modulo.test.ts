/* Hashes of contents that name their own path: against a slow twin, and Nix's content-addressed paths. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { bytesOf, streamOf } from "@firn/base";
import { hashBytes, toHex } from "@firn/hash";
import { hashNarModulo, makeFixedOutputPath, NarWriter } from "@firn/nix-compat";
import fc from "fast-check";
import { need } from "../../../dev/need.ts";
import { nixSandbox } from "./nix.ts";

const PART = "0123456789abcdfghijklmnpqrsvwxyz";

function slowly(text: string): string {
  let zeroed = text;
  const found: number[] = [];
  for (let at = zeroed.indexOf(PART); at >= 0; at = zeroed.indexOf(PART)) {
    found.push(at);
    zeroed = zeroed.slice(0, at) + "\0".repeat(PART.length) + zeroed.slice(at + PART.length);
  }
  return toHex(hashBytes("sha256", bytesOf(zeroed + found.map((at) => `|${at}`).join(""))));
}

test("occurrences are found wherever chunks are cut", async () => {
  const piece = fc.oneof(fc.constant(PART), fc.constant(PART.slice(0, 9)), fc.constant("x"), fc.constant("0"));
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 70 }), async (pieces, size) => {
      const text = pieces.join("");
      async function* chunks() {
        for (let at = 0; at < text.length; at += size) yield bytesOf(text.slice(at, at + size));
      }
      const { bytes } = await hashNarModulo(chunks(), "sha256", PART);
      assert.equal(toHex(bytes), slowly(text));
    }),
  );
});

test(
  "a self-referring path that Nix makes content-addressed gets the path that is computed here",
  need("nix-store"),
  async () => {
    const nix = nixSandbox();
    // Imported in Nix's export format under a made-up path that its contents name.
    const old = `/nix/store/${"1".repeat(32)}-self`;
    const chunks: Uint8Array[] = [];
    const contents = bytesOf(`I am ${old}, twice: ${old}\n`);
    new NarWriter((chunk) => chunks.push(new Uint8Array(chunk)))
      .startFile(contents.length, false)
      .contents(contents)
      .finish();
    const number = (value: number) => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
    const text = (value: string) =>
      Buffer.concat([number(value.length), Buffer.from(value), Buffer.alloc((8 - (value.length % 8)) % 8)]);
    const trailer = [number(0x4558494e), text(old), number(1), text(old), text(""), number(0), number(0)];
    nix.run("nix-store", ["--import"], Buffer.concat([number(1), ...chunks, ...trailer]));
    const made = JSON.parse(nix.run("nix", ["store", "make-content-addressed", "--json", old]).toString());
    const path: string = made.rewrites[old];
    const nar = nix.run("nix-store", ["--dump", join(nix.directory, "root", path)]);
    const hash = await hashNarModulo(streamOf(nar), "sha256", path.slice(11, 43));
    assert.equal(makeFixedOutputPath({ method: "nar", hash, name: "self", selfReference: true }).absolute(), path);
  },
);
