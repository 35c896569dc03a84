/*
Services that may be read and not written, whatever the ones below could do.
*/

import { throwIfAborted } from "@firn/base";
import type { BlobService } from "./blob-service.ts";
import type { DirectoryService } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import type { CallOptions } from "./lease.ts";
import { outboardOf } from "./outboard-of.ts";

function refuse(options?: CallOptions): never {
  throwIfAborted(options?.signal);
  throw new CastoreError("unsupported", "this service is read-only");
}

export function readOnlyBlobs(inner: BlobService): BlobService {
  return {
    supports: { ...inner.supports, write: false },
    has: (digest, options) => inner.has(digest, options),
    openRead: (digest, options) => inner.openRead(digest, options),
    chunks: (digest, options) => inner.chunks(digest, options),
    outboard: (digest, options) => outboardOf(inner, digest, options),
    openWrite: refuse,
    put: async (_bytes, options) => refuse(options),
  };
}

export function readOnlyDirectories(inner: DirectoryService): DirectoryService {
  return {
    supports: { ...inner.supports, write: false },
    has: (digest, options) => inner.has(digest, options),
    get: (digest, options) => inner.get(digest, options),
    getRecursive: (root, options) => inner.getRecursive(root, options),
    put: async (_directory, options) => refuse(options),
    openPut: refuse,
  };
}
