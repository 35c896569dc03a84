/* The outboard of a stored blob, from the service where it keeps them, else by reading the blob. */

import type { BlobService } from "./blob-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import type { Digest } from "./node.ts";
import { OutboardBuilder } from "./outboard.ts";

/** The outboard (docs/formats/bao.md) of a blob, undefined when the blob is absent. */
export async function outboardOf(
  blobs: BlobService,
  digest: Digest,
  options?: CallOptions,
): Promise<Uint8Array | undefined> {
  if (blobs.outboard !== undefined) return blobs.outboard(digest, options);
  return computeOutboard(blobs, digest, options);
}

/** The same, always by reading the blob. Throws `corrupt` when its bytes have another digest. */
export async function computeOutboard(
  blobs: Pick<BlobService, "openRead">,
  digest: Digest,
  options?: CallOptions,
): Promise<Uint8Array | undefined> {
  await using reader = await blobs.openRead(digest, options);
  if (reader === undefined) return undefined;
  const builder = new OutboardBuilder();
  for await (const bytes of reader.stream()) builder.update(bytes);
  const outboard = builder.finish();
  if (outboard.digest === digest) return outboard.bytes;
  throw new CastoreError("corrupt", `blob ${digest} is damaged: its bytes have another digest`, {
    context: { digest },
  });
}
