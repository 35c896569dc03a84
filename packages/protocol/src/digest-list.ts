/*
Digests of a message: one, or many after one another without anything between.
*/

import { bytesOfDigest, DIGEST_BYTES, type Digest, digestFromBytes } from "@firn/castore";
import { ProtocolError } from "./error.ts";

/** Most digests of one message. */
export const DIGESTS_MAX = 1 << 20;

/** As castore's, but `invalid-argument` for another length. */
export function digestOfRequest(bytes: Uint8Array): Digest {
  if (bytes.length === DIGEST_BYTES) return digestFromBytes(bytes);
  throw new ProtocolError("invalid-argument", `a digest has ${DIGEST_BYTES} bytes, this one ${bytes.length}`);
}

export function packDigests(digests: readonly Digest[]): Uint8Array {
  const bytes = new Uint8Array(digests.length * DIGEST_BYTES);
  digests.forEach((digest, i) => {
    bytes.set(bytesOfDigest(digest), i * DIGEST_BYTES);
  });
  return bytes;
}

/** Throws `invalid-argument`, `resource-exhausted`. */
export function unpackDigests(bytes: Uint8Array): Digest[] {
  if (bytes.length % DIGEST_BYTES !== 0)
    throw new ProtocolError("invalid-argument", `digests have ${DIGEST_BYTES} bytes each, these ${bytes.length}`);
  const count = bytes.length / DIGEST_BYTES;
  if (count > DIGESTS_MAX) throw new ProtocolError("resource-exhausted", `${count} digests, at most ${DIGESTS_MAX}`);
  return Array.from({ length: count }, (_, i) =>
    digestFromBytes(bytes.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)),
  );
}
