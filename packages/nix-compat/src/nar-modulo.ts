/*
The hash of a NAR that holds its own store path's hash part. The path follows from the hash, so the hash is taken as if each occurrence
were NULs, and where the occurrences are is hashed after the end, so that a NAR with NULs in their place is another one.

Follows HashModuloSink. Occurrences do not overlap, since a hash part is found left to right and skipped whole.
*/

import { type ByteStream, bytesOf } from "@firn/base";
import { createHasher, type Hash, type HashAlgorithm } from "@firn/hash";

/** The hash of the stream modulo `hashPart` (32 characters). */
export async function hashNarModulo(nar: ByteStream, algorithm: HashAlgorithm, hashPart: string): Promise<Hash> {
  const hasher = createHasher(algorithm);
  const needle = bytesOf(hashPart);
  const found: number[] = [];
  let held = new Uint8Array(0);
  let base = 0;
  for await (const chunk of nar) {
    const window = new Uint8Array(held.length + chunk.length);
    window.set(held);
    window.set(chunk, held.length);
    let searched = 0;
    for (let at = indexOf(window, needle, 0); at >= 0; at = indexOf(window, needle, searched)) {
      window.fill(0, at, at + needle.length);
      found.push(base + at);
      searched = at + needle.length;
    }
    // An occurrence may begin in the last bytes and end in the next chunk.
    const sure = Math.max(searched, Math.min(window.length, Math.max(0, window.length - needle.length + 1)));
    hasher.update(window.subarray(0, sure));
    held = window.slice(sure);
    base += sure;
  }
  hasher.update(held);
  for (const at of found) hasher.update(bytesOf(`|${at}`));
  return { algorithm, bytes: hasher.digest() };
}

function indexOf(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  const [first] = needle;
  for (
    let at = bytes.indexOf(first, from);
    at >= 0 && at + needle.length <= bytes.length;
    at = bytes.indexOf(first, at + 1)
  ) {
    let length = 1;
    while (length < needle.length && bytes[at + length] === needle[length]) length++;
    if (length === needle.length) return at;
  }
  return -1;
}
