/*
Faster kernels for Node: node:crypto for Nix's algorithms, the native @napi-rs/blake-hash for BLAKE3 where its binary can
be loaded. Call `useNodeKernels` once where the process starts; results are the same with and without.
*/

import * as crypto from "node:crypto";
import { createRequire } from "node:module";
import type { HashAlgorithm } from "./algorithm.ts";
import { installKernel, type Hasher, type HashKernel, PURE_KERNELS } from "./kernel.ts";

let inUse = false;

/** Installs them for this process. Calling it again changes nothing. */
export function useNodeKernels(): void {
  if (inUse) return;
  inUse = true;
  for (const algorithm of ["md5", "sha1", "sha256", "sha512"] as const)
    installKernel(algorithm, cryptoKernel(algorithm));
  installKernel("blake3", blake3WhenNeeded());
}

/** Loading the native package takes longer than many a command that hashes nothing with it; the first digest does. */
function blake3WhenNeeded(): HashKernel {
  const load = (): HashKernel => {
    const native = loadBlakeHash();
    const kernel = native === undefined ? PURE_KERNELS.blake3 : blake3Kernel(native);
    installKernel("blake3", kernel);
    return kernel;
  };
  return {
    hash: (bytes) => load().hash(bytes),
    hashHex: (bytes) => load().hashHex(bytes),
    hashByteString: (text) => load().hashByteString(text),
    hashByteStringHex: (text) => load().hashByteStringHex(text),
    createHasher: () => load().createHasher(),
  };
}

function cryptoKernel(algorithm: HashAlgorithm): HashKernel {
  return {
    hash: (bytes) => plainBytes(crypto.hash(algorithm, bytes, "buffer")),
    hashHex: (bytes) => crypto.hash(algorithm, bytes, "hex"),
    hashByteString: (text) => plainBytes(crypto.hash(algorithm, Buffer.from(text, "latin1"), "buffer")),
    hashByteStringHex: (text) => crypto.hash(algorithm, Buffer.from(text, "latin1"), "hex"),
    createHasher: () => new CryptoHasher(algorithm),
  };
}

class CryptoHasher implements Hasher {
  readonly #hash: crypto.Hash;

  constructor(algorithm: HashAlgorithm) {
    this.#hash = crypto.createHash(algorithm);
  }

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    return this;
  }

  digest(): Uint8Array {
    return plainBytes(this.#hash.digest());
  }
}

type NativeHasher = {
  update(bytes: Buffer): unknown;
  reset(): void;
  digest(format: "hex"): string;
  digestBuffer(): Buffer;
};
type BlakeHash = { Blake3Hasher: new () => NativeHasher };

function loadBlakeHash(): BlakeHash | undefined {
  try {
    return createRequire(import.meta.url)("@napi-rs/blake-hash") as BlakeHash;
  } catch {
    return undefined; // no binary for this platform, or it was not installed: the pure kernel stays
  }
}

function blake3Kernel(native: BlakeHash): HashKernel {
  // One hasher, reset after each use, is a third of the price of a new one per call.
  const reused = new native.Blake3Hasher();
  const hashed = (bytes: Buffer) => {
    reused.reset();
    reused.update(bytes);
    return reused;
  };
  return {
    hash: (bytes) => plainBytes(hashed(bufferOver(bytes)).digestBuffer()),
    hashHex: (bytes) => hashed(bufferOver(bytes)).digest("hex"),
    hashByteString: (text) => plainBytes(hashed(Buffer.from(text, "latin1")).digestBuffer()),
    hashByteStringHex: (text) => hashed(Buffer.from(text, "latin1")).digest("hex"),
    createHasher: () => new Blake3StreamHasher(new native.Blake3Hasher()),
  };
}

class Blake3StreamHasher implements Hasher {
  readonly #native: NativeHasher;

  constructor(native: NativeHasher) {
    this.#native = native;
  }

  update(bytes: Uint8Array): this {
    this.#native.update(bufferOver(bytes));
    return this;
  }

  digest(): Uint8Array {
    return plainBytes(this.#native.digestBuffer());
  }
}

/** A Buffer over the same memory: the native side takes nothing else. */
function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

/** A copy that is no Buffer, whose `slice` would share memory. */
function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}
