/*
What computes a digest. The pure kernels (@noble/hashes) run everywhere and are what one starts with; `installKernel` puts
a faster one in place, as node.ts does. Kernels of one algorithm agree on every input, so which one is installed shows in
nothing but time: that is why a process-wide table is acceptable here.
*/

import { bytesOf, type ByteString } from "@firn/base";
import { blake3 } from "@noble/hashes/blake3.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import type { HashAlgorithm } from "./algorithm.ts";
import { toHex } from "./encoding.ts";

/** A digest of bytes that come in pieces. */
export interface Hasher {
  /** Takes more bytes; the buffer is the caller's again on return. */
  update(bytes: Uint8Array): this;
  /** The digest, in a buffer that is the caller's. The hasher must not be used afterwards. */
  digest(): Uint8Array;
}

/** One algorithm's implementation. Results are plain Uint8Arrays owned by the caller. */
export interface HashKernel {
  hash(bytes: Uint8Array): Uint8Array;
  /** In lower-case base 16. */
  hashHex(bytes: Uint8Array): string;
  hashByteString(text: ByteString): Uint8Array;
  /** In lower-case base 16. */
  hashByteStringHex(text: ByteString): string;
  createHasher(): Hasher;
}

type NobleHash = { (bytes: Uint8Array): Uint8Array; create(): Hasher };

function pureKernel(noble: NobleHash): HashKernel {
  return {
    hash: (bytes) => noble(bytes),
    hashHex: (bytes) => toHex(noble(bytes)),
    hashByteString: (text) => noble(bytesOf(text)),
    hashByteStringHex: (text) => toHex(noble(bytesOf(text))),
    createHasher: () => noble.create(),
  };
}

/** The kernels without any native code. */
export const PURE_KERNELS: Readonly<Record<HashAlgorithm, HashKernel>> = {
  md5: pureKernel(md5),
  sha1: pureKernel(sha1),
  sha256: pureKernel(sha256),
  sha512: pureKernel(sha512),
  blake3: pureKernel(blake3),
};

const installed: Record<HashAlgorithm, HashKernel> = { ...PURE_KERNELS };

/** Makes `kernel` the one that computes `algorithm` in this process from now on. */
export function installKernel(algorithm: HashAlgorithm, kernel: HashKernel): void {
  installed[algorithm] = kernel;
}

/** The digest of `bytes`. */
export function hashBytes(algorithm: HashAlgorithm, bytes: Uint8Array): Uint8Array {
  return installed[algorithm].hash(bytes);
}

/** The same in lower-case base 16: the hot path of digests, so kernels may do it without a detour over bytes. */
export function hashBytesHex(algorithm: HashAlgorithm, bytes: Uint8Array): string {
  return installed[algorithm].hashHex(bytes);
}

/** The digest of a byte string's bytes. */
export function hashByteString(algorithm: HashAlgorithm, text: ByteString): Uint8Array {
  return installed[algorithm].hashByteString(text);
}

/** The same in lower-case base 16, for derivations. */
export function hashByteStringHex(algorithm: HashAlgorithm, text: ByteString): string {
  return installed[algorithm].hashByteStringHex(text);
}

/** A hasher for contents that come in pieces. */
export function createHasher(algorithm: HashAlgorithm): Hasher {
  return installed[algorithm].createHasher();
}
