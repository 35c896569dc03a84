/* The digest algorithms Nix and Firn name things by. Which code computes them is kernel.ts. */

export type HashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3";

const DIGEST_BYTES: Readonly<Record<HashAlgorithm, number>> = { md5: 16, sha1: 20, sha256: 32, sha512: 64, blake3: 32 };

export const HASH_ALGORITHMS = Object.keys(DIGEST_BYTES) as readonly HashAlgorithm[];

/** Length of a digest in bytes. */
export function digestBytes(algorithm: HashAlgorithm): number {
  return DIGEST_BYTES[algorithm];
}

/** Whether `text` names an algorithm. Names are lower case, as Nix prints them. */
export function isHashAlgorithm(text: string): text is HashAlgorithm {
  return Object.hasOwn(DIGEST_BYTES, text);
}
