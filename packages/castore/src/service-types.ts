/*
The types of blob and directory services that castore itself has: memory and the combinators, with the names and fields of Snix and Tvix where they
have them too.
*/

import type { BlobService } from "./blob-service.ts";
import { CachedBlobs } from "./cached-blobs.ts";
import { CachedDirectories } from "./cached-directories.ts";
import type { DirectoryService } from "./directory-service.ts";
import { InterceptedBlobs, InterceptedDirectories } from "./intercept.ts";
import { MemoryBlobs } from "./memory-blobs.ts";
import { MemoryDirectories } from "./memory-directories.ts";
import { PeerBlobs } from "./peer-blobs.ts";
import { PeerDirectories } from "./peer-directories.ts";
import { readOnlyBlobs, readOnlyDirectories } from "./read-only.ts";
import { retrying } from "./retry.ts";
import { defineServiceType, type FieldSpec, type OpenContext, type ServiceType } from "./service-type.ts";
import { TieredBlobs } from "./tiered-blobs.ts";
import { TieredDirectories } from "./tiered-directories.ts";
import { VerifiedBlobs } from "./verified-blobs.ts";
import { VerifiedDirectories } from "./verified-directories.ts";

const SERVICE: FieldSpec = { is: "service" };
const SERVICES: FieldSpec = { is: "services" };
const COUNT: FieldSpec = { is: "count", optional: true };
const MEMORY_BYTES = 1 << 30;
const LRU_BYTES = 1 << 28;

export type RetryFields<S> = { readonly inner: S; readonly attempts?: number; readonly delay_ms?: number };
/** Fields of `retry`, for every kind. */
export const RETRY_FIELDS: Readonly<Record<string, FieldSpec>> = { inner: SERVICE, attempts: COUNT, delay_ms: COUNT };

/** The retry options that its fields say. */
export function retryOf<S>({ attempts, delay_ms }: RetryFields<S>) {
  return retrying({ attemptsMax: attempts, delayMs: delay_ms });
}

type Sides<S> = { readonly near: S; readonly far: S };
type Sources<S> = { readonly sources: readonly S[] };
type Inner<S> = { readonly inner: S };

const blobs = <Fields>(
  type: string,
  fields: ServiceType["fields"],
  open: (fields: Fields, context: OpenContext) => BlobService,
) => defineServiceType<Fields>({ kind: "blobservices", type, fields, open });
const directories = <Fields>(
  type: string,
  fields: ServiceType["fields"],
  open: (fields: Fields, context: OpenContext) => DirectoryService,
) => defineServiceType<Fields>({ kind: "directoryservices", type, fields, open });

export const CASTORE_SERVICE_TYPES: readonly ServiceType[] = [
  blobs<{ capacity?: number }>(
    "memory",
    { capacity: COUNT },
    ({ capacity = MEMORY_BYTES }) => new MemoryBlobs(undefined, capacity),
  ),
  blobs<{ capacity?: number }>(
    "lru",
    { capacity: COUNT },
    ({ capacity = LRU_BYTES }) => new MemoryBlobs(undefined, capacity, { forgets: true }),
  ),
  blobs<Sides<BlobService>>("cache", { near: SERVICE, far: SERVICE }, ({ near, far }) => new CachedBlobs(near, far)),
  // Snix's name for near first, then far, without filling.
  blobs<Sides<BlobService>>(
    "combined",
    { near: SERVICE, far: SERVICE },
    ({ near, far }) => new TieredBlobs([near, readOnlyBlobs(far)]),
  ),
  blobs<Sources<BlobService>>("tiers", { sources: SERVICES }, ({ sources }) => new TieredBlobs(sources)),
  blobs<Sources<BlobService>>(
    "peers",
    { sources: SERVICES },
    ({ sources }, { onLie }) => new PeerBlobs(sources, { onLie: (source, found) => onLie("sources", source, found) }),
  ),
  blobs<Inner<BlobService>>("read-only", { inner: SERVICE }, ({ inner }) => readOnlyBlobs(inner)),
  blobs<Inner<BlobService>>("verify", { inner: SERVICE }, ({ inner }) => new VerifiedBlobs(inner)),
  blobs<RetryFields<BlobService>>(
    "retry",
    RETRY_FIELDS,
    (fields) => new InterceptedBlobs(fields.inner, retryOf(fields)),
  ),
  directories("memory", {}, () => new MemoryDirectories()),
  directories<{ capacity?: number }>(
    "lru",
    { capacity: COUNT },
    ({ capacity = LRU_BYTES }) => new MemoryDirectories(undefined, capacity),
  ),
  directories<Sides<DirectoryService>>(
    "cache",
    { near: SERVICE, far: SERVICE },
    ({ near, far }) => new CachedDirectories(near, far),
  ),
  directories<Sources<DirectoryService>>(
    "tiers",
    { sources: SERVICES },
    ({ sources }) => new TieredDirectories(sources),
  ),
  directories<Sources<DirectoryService>>(
    "peers",
    { sources: SERVICES },
    ({ sources }, { onLie }) =>
      new PeerDirectories(sources, { onLie: (source, found) => onLie("sources", source, found) }),
  ),
  directories<Inner<DirectoryService>>("read-only", { inner: SERVICE }, ({ inner }) => readOnlyDirectories(inner)),
  directories<Inner<DirectoryService>>("verify", { inner: SERVICE }, ({ inner }) => new VerifiedDirectories(inner)),
  directories<RetryFields<DirectoryService>>(
    "retry",
    RETRY_FIELDS,
    (fields) => new InterceptedDirectories(fields.inner, retryOf(fields)),
  ),
];
