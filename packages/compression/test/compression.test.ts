import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { type ByteStream, concatBytes, streamOf } from "@firn/base";
import {
  compress,
  COMPRESSIONS,
  CompressionError,
  decompress,
  extensionOf,
  parseCompression,
  sniffCompression,
} from "@firn/compression";
import { need } from "../../../dev/need.ts";

const PLAIN = new Uint8Array(3_000_000).map((_, index) => (index * 7919) >> 5);

const all = async (stream: ByteStream): Promise<Uint8Array> => concatBytes(await Array.fromAsync(stream));

async function* inPieces(bytes: Uint8Array, length: number): ByteStream {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

for (const compression of COMPRESSIONS) {
  const program = compression === "xz" || compression === "bzip2" ? need(compression) : {};

  test(`what was packed with ${compression} unpacks to the same bytes`, program, async () => {
    const packed = await all(compress(inPieces(PLAIN, 70_001), compression));
    assert.ok(compression === "none" || packed.length < PLAIN.length / 2);
    assert.deepEqual(await all(decompress(inPieces(packed, 999), compression)), PLAIN);
    const sniffed = await sniffCompression(
      (async function* () {
        yield* inPieces(packed.subarray(0, 9), 2);
        yield packed.subarray(9);
      })(),
    );
    assert.equal(sniffed.compression, compression === "br" ? "none" : compression);
    assert.deepEqual(await all(sniffed.bytes), packed);
  });

  test(`an empty stream goes through ${compression}`, program, async () => {
    const packed = await all(compress(streamOf(new Uint8Array(0)), compression));
    assert.equal((await all(decompress(streamOf(packed), compression))).length, 0);
  });

  if (compression === "none") continue;

  test(`bytes of ${compression} that end in the middle or are damaged are refused`, program, async () => {
    const packed = await all(compress(inPieces(PLAIN, 70_001), compression));
    const refused = (thrown: unknown) => thrown instanceof CompressionError && thrown.code === "damaged";
    await assert.rejects(all(decompress(streamOf(packed.subarray(0, packed.length >> 1)), compression)), refused);
    const other = new Uint8Array(packed).fill(0xaa, 20, 2000);
    await assert.rejects(all(decompress(streamOf(other), compression)), refused);
  });

  test(`what a source throws comes through ${compression} as it is`, program, async () => {
    const broken = new Error("the line is dead");
    const packed = await all(compress(inPieces(PLAIN, 70_001), compression));
    const source = async function* () {
      yield packed.subarray(0, 1000);
      throw broken;
    };
    await assert.rejects(all(decompress(source(), compression)), (thrown) => thrown === broken);
    await assert.rejects(all(compress(source(), compression)), (thrown) => thrown === broken);
  });

  test(`one who stops reading ${compression} ends the source`, program, async () => {
    const packed = await all(compress(inPieces(PLAIN, 70_001), compression));
    let isEnded = false;
    const source = async function* () {
      try {
        for (;;) yield packed;
      } finally {
        isEnded = true;
      }
    };
    for await (const _ of decompress(source(), compression)) break;
    assert.ok(isEnded);
  });
}

test("an abort ends it with the signal's reason", async () => {
  const stop = new AbortController();
  const source = async function* () {
    for (;;) {
      yield PLAIN;
      stop.abort(new Error("enough"));
    }
  };
  await assert.rejects(all(compress(source(), "zstd", stop.signal)), /enough/);
});

test("several frames of zstd one after another are one stream", async () => {
  const packed = concatBytes([zstdCompressSync(PLAIN), zstdCompressSync(PLAIN)]);
  assert.equal((await all(decompress(inPieces(packed, 5000), "zstd"))).length, 2 * PLAIN.length);
});

test("the programs of the machine read what was packed here", need("xz"), async () => {
  const packed = await all(compress(streamOf(PLAIN), "xz"));
  assert.deepEqual(new Uint8Array(execFileSync("xz", ["-dc"], { input: packed, maxBuffer: 1 << 28 })), PLAIN);
});

test("names are read in any case, unknown ones are refused", () => {
  const names = { "": "none", XZ: "xz", brotli: "br", br: "br", identity: "none", bzip2: "bzip2", "x-gzip": "gzip" };
  for (const [name, compression] of Object.entries(names)) assert.equal(parseCompression(name), compression);
  for (const name of ["lzip", "constructor", "xz "]) {
    assert.throws(() => parseCompression(name), { code: "unsupported" });
  }
  assert.equal(extensionOf("zstd"), ".zst");
});
