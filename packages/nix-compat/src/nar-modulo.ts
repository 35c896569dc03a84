/*
The hash of a NAR that holds its own store path's hash part. The path follows from the hash, so the hash is taken as if each occurrence
were NULs, and where the occurrences are is hashed after the end, so that a NAR with NULs in their place is another one.

Follows HashModuloSink. Occurrences do not overlap, since a hash part is found left to right and skipped whole.
*/

import { type ByteStream, bytesOf } from "@firn/base";
import { createHasher, type Hash, type HashAlgorithm } from "@firn/hash";
import { replaceHashParts } from "./hash-rewrite.ts";

/** The hash of the stream modulo `hashPart` (32 characters). */
export async function hashNarModulo(nar: ByteStream, algorithm: HashAlgorithm, hashPart: string): Promise<Hash> {
  const hasher = createHasher(algorithm);
  const found: number[] = [];
  const masked = replaceHashParts(
    nar,
    new Map([[hashPart, "\0".repeat(hashPart.length)]]),
    (at) => void found.push(at),
  );
  for await (const chunk of masked) hasher.update(chunk);
  for (const at of found) hasher.update(bytesOf(`|${at}`));
  return { algorithm, bytes: hasher.digest() };
}
