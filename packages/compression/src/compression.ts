/*
Packing and unpacking of streams. One chunk after another goes through, so memory stays bounded whatever comes out: who unpacks what a stranger packed
counts what he gets and stops asking when it is too much.

zlib, brotli and zstd are Node's and run beside the event loop. xz and bzip2 are programs, which every system that has Nix's caches to read has as well.
*/

import { type ByteStream, concatBytes, throwIfAborted } from "@firn/base";
import {
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from "node:zlib";
import { CompressionError } from "./error.ts";
import { throughProgram, throughTransform } from "./through.ts";

/** By the names that narinfos and `Content-Encoding` have. */
export const COMPRESSIONS = ["none", "gzip", "br", "zstd", "xz", "bzip2"] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** How packed bytes begin; brotli has nothing to be known by. */
const MAGICS: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];
const MAGIC_BYTES = 6;
const EXTENSIONS: Readonly<Record<Compression, string>> = {
  none: "",
  gzip: ".gz",
  br: ".br",
  zstd: ".zst",
  xz: ".xz",
  bzip2: ".bz2",
};
/** Bytes go in and come out in pieces of this length. */
const PIECE_BYTES = 256 * 1024;
/** Quick and good enough for what is packed while somebody waits. */
const ZSTD_LEVEL = 3;
const BROTLI_LEVEL = 5;

/** Reads a name, in any case; `brotli` and `x-gzip` are names as well, and an empty one is none. Throws `unsupported`. */
export function parseCompression(name: string): Compression {
  const plain = name.toLowerCase();
  const aliases: Readonly<Record<string, Compression>> = {
    "": "none",
    identity: "none",
    brotli: "br",
    "x-gzip": "gzip",
  };
  const found =
    COMPRESSIONS.find((one) => one === plain) ?? (Object.hasOwn(aliases, plain) ? aliases[plain] : undefined);
  if (found !== undefined) return found;
  throw new CompressionError(
    "unsupported",
    `'${name.slice(0, 40)}' is no compression that is known here: ${COMPRESSIONS.join(", ")}`,
  );
}

/** What names of packed files end in, with the dot; "" for none. */
export function extensionOf(compression: Compression): string {
  return EXTENSIONS[compression];
}

/** How the bytes are packed, told by how they begin, and all of them. Brotli is taken for none. */
export async function sniffCompression(
  bytes: ByteStream,
): Promise<{ readonly compression: Compression; readonly bytes: ByteStream }> {
  const chunks = bytes[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  while (head.length < MAGIC_BYTES) {
    const next = await chunks.next();
    if (next.done) break;
    head = concatBytes([head, next.value]) as Uint8Array<ArrayBuffer>;
  }
  const whole = (async function* (): ByteStream {
    try {
      if (head.length > 0) yield head;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  })();
  const [compression] = MAGICS.find(([, magic]) => magic.every((byte, index) => head[index] === byte)) ?? ["none"];
  return { compression: compression as Compression, bytes: whole };
}

/** The plain bytes. Errors of `packed` come through as they are. Throws `damaged` or `no-program` while it runs. */
export function decompress(packed: ByteStream, compression: Compression, signal?: AbortSignal): ByteStream {
  const damaged = (why: string, cause?: unknown) =>
    new CompressionError("damaged", `bytes packed with ${compression} cannot be unpacked: ${why}`, { cause });
  switch (compression) {
    case "none":
      return checked(packed, signal);
    case "gzip":
      return throughTransform(packed, createGunzip({ chunkSize: PIECE_BYTES }), damaged, signal);
    case "br":
      return throughTransform(packed, createBrotliDecompress({ chunkSize: PIECE_BYTES }), damaged, signal);
    case "zstd":
      return throughTransform(packed, createZstdDecompress({ chunkSize: PIECE_BYTES }), damaged, signal);
    case "xz":
    case "bzip2":
      return throughProgram(packed, compression, ["-dc"], damaged, signal);
  }
}

/** The packed bytes. Errors of `plain` come through as they are. Throws `no-program` while it runs. */
export function compress(plain: ByteStream, compression: Compression, signal?: AbortSignal): ByteStream {
  const failed = (why: string, cause?: unknown) =>
    new CompressionError("damaged", `bytes cannot be packed with ${compression}: ${why}`, { cause });
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag, BROTLI_PARAM_QUALITY } = constants;
  switch (compression) {
    case "none":
      return checked(plain, signal);
    case "gzip":
      return throughTransform(plain, createGzip({ chunkSize: PIECE_BYTES }), failed, signal);
    case "br":
      return throughTransform(
        plain,
        createBrotliCompress({ chunkSize: PIECE_BYTES, params: { [BROTLI_PARAM_QUALITY]: BROTLI_LEVEL } }),
        failed,
        signal,
      );
    case "zstd":
      return throughTransform(
        plain,
        createZstdCompress({
          chunkSize: PIECE_BYTES,
          params: { [ZSTD_c_compressionLevel]: ZSTD_LEVEL, [ZSTD_c_checksumFlag]: 1 },
        }),
        failed,
        signal,
      );
    case "xz":
    case "bzip2":
      return throughProgram(plain, compression, ["-c"], failed, signal);
  }
}

async function* checked(bytes: ByteStream, signal: AbortSignal | undefined): ByteStream {
  for await (const chunk of bytes) {
    throwIfAborted(signal);
    yield chunk;
  }
}
