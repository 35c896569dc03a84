/*
Digests in their three forms: 64 lower-case hex digits (inside Firn, everywhere), 32 bytes (in encodings), and
`blake3-` with standard base64 (in print, as Snix writes it). The trick is that there is no digest object: a hex string is a
map key, compares with `===` and prints itself.
*/

import { assert } from "@firn/base";
import { fromBase64, fromHex, hashBytesHex, toBase64, toHex } from "@firn/hash";
import { CastoreError } from "./error.ts";
import { DIGEST_BYTES, type Digest } from "./node.ts";

const HEX_DIGEST = /^[0-9a-f]{64}$/;
const PRINTED_PREFIX = "blake3-";
const PRINTED_BODY = /^[A-Za-z0-9+/]{43}=$/;

/** The BLAKE3 digest of `bytes`. The buffer stays the caller's. */
export function digestOf(bytes: Uint8Array): Digest {
  return hashBytesHex("blake3", bytes) as Digest;
}

/** Digest of no bytes, which is the empty blob and the empty Directory alike. */
export const EMPTY_DIGEST = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" as Digest;

/** The digest whose 32 bytes are given; `invalid-digest` for another length. */
export function digestFromBytes(bytes: Uint8Array): Digest {
  if (bytes.length !== DIGEST_BYTES) {
    throw new CastoreError("invalid-digest", `a BLAKE3 digest has ${DIGEST_BYTES} bytes, this one ${bytes.length}`);
  }
  return toHex(bytes) as Digest;
}

/** The 32 bytes of a digest, in a new buffer. */
export function bytesOfDigest(digest: Digest): Uint8Array {
  const bytes = fromHex(digest);
  assert(bytes?.length === DIGEST_BYTES, "a Digest is 64 hex digits");
  return bytes;
}

/** Reads a digest a person or a peer wrote: 64 lower-case hex digits, or `blake3-` with padded base64. */
export function parseDigest(text: string): Digest {
  if (HEX_DIGEST.test(text)) return text as Digest;
  if (text.startsWith(PRINTED_PREFIX)) {
    const body = text.slice(PRINTED_PREFIX.length);
    const bytes = PRINTED_BODY.test(body) ? fromBase64(body) : undefined;
    // Printed again it must be the same: base64 has spare bits, and one digest shall have one spelling.
    if (bytes?.length === DIGEST_BYTES && toBase64(bytes) === body) return toHex(bytes) as Digest;
  }
  throw new CastoreError(
    "invalid-digest",
    `expected a digest as 64 lower-case hex digits or blake3-<base64>, got ${JSON.stringify(text.slice(0, 100))}`,
  );
}

/** `blake3-` and standard base64 with padding. */
export function formatDigest(digest: Digest): string {
  return PRINTED_PREFIX + toBase64(bytesOfDigest(digest));
}
