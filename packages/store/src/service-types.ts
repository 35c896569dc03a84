/*
The types of path info and realisation services that store itself has, and what a composition of all kinds needs.
*/

import {
  type BlobService,
  CASTORE_SERVICE_TYPES,
  CASTORE_WRAPS,
  defineServiceType,
  type DirectoryService,
  type FieldSpec,
  RETRY_FIELDS,
  type RetryFields,
  retryOf,
  type ServiceType,
  type Wrap,
} from "@firn/castore";
import { parsePublicKey, parseSecretKey } from "@firn/nix-compat";
import { CachedPathInfos } from "./cached-path-infos.ts";
import { InterceptedPathInfos } from "./intercept-path-infos.ts";
import { InterceptedRealisations } from "./intercept-realisations.ts";
import { MemoryPathInfos } from "./memory-path-infos.ts";
import { MemoryRealisations } from "./memory-realisations.ts";
import { RenderingCalculator } from "./nar-calculator.ts";
import type { PathInfoService } from "./path-info-service.ts";
import { readOnlyPathInfos } from "./read-only-path-infos.ts";
import type { RealisationService } from "./realisation-service.ts";
import { TrustedKeys } from "./signing.ts";
import { SigningPathInfos } from "./signing-path-infos.ts";
import { SigningRealisations } from "./signing-realisations.ts";
import { TieredPathInfos } from "./tiered-path-infos.ts";
import { VerifiedPathInfos } from "./verified-path-infos.ts";
import { VerifiedRealisations } from "./verified-realisations.ts";

const SERVICE: FieldSpec = { is: "service" };
const LRU_COUNT = 100_000;

export const STORE_WRAPS: Readonly<Record<string, Wrap>> = {
  ...CASTORE_WRAPS,
  pathinfoservices: (service, interceptor) => new InterceptedPathInfos(service as PathInfoService, interceptor),
  realisationservices: (service, interceptor) =>
    new InterceptedRealisations(service as RealisationService, interceptor),
};
/** Kinds that a store may be without. */
export const OPTIONAL_KINDS: readonly string[] = ["realisationservices"];

type Sides = { readonly near: PathInfoService; readonly far: PathInfoService };
type Inner = { readonly inner: PathInfoService };

/** What the composing side lends: reading a key file, and the store directory paths are computed for. */
export type StoreTypesHost = { readonly readText: (path: string) => Promise<string>; readonly storeDir: string };

const pathInfos = <Fields>(type: string, fields: ServiceType["fields"], open: (fields: Fields) => unknown) =>
  defineServiceType<Fields>({ kind: "pathinfoservices", type, fields, open });

const realisations = <Fields>(type: string, fields: ServiceType["fields"], open: (fields: Fields) => unknown) =>
  defineServiceType<Fields>({ kind: "realisationservices", type, fields, open });

/** All types that need no backend, of all kinds. */
export function storeServiceTypes({ readText, storeDir }: StoreTypesHost): readonly ServiceType[] {
  return [
    ...CASTORE_SERVICE_TYPES,
    pathInfos("memory", {}, () => new MemoryPathInfos()),
    pathInfos<{ capacity?: number }>(
      "lru",
      { capacity: { is: "count", optional: true } },
      ({ capacity = LRU_COUNT }) => new MemoryPathInfos(undefined, capacity),
    ),
    pathInfos<Sides>("cache", { near: SERVICE, far: SERVICE }, ({ near, far }) => new CachedPathInfos(near, far)),
    pathInfos<{ sources: readonly PathInfoService[] }>(
      "tiers",
      { sources: { is: "services" } },
      ({ sources }) => new TieredPathInfos(sources),
    ),
    pathInfos<Inner>("read-only", { inner: SERVICE }, ({ inner }) => readOnlyPathInfos(inner)),
    pathInfos<RetryFields<PathInfoService>>(
      "retry",
      RETRY_FIELDS,
      (fields) => new InterceptedPathInfos(fields.inner, retryOf(fields)),
    ),
    pathInfos<Inner & { keyfile: string }>(
      "keyfile-signing",
      { inner: SERVICE, keyfile: { is: "text" } },
      async ({ inner, keyfile }) => {
        const key = parseSecretKey(await readText(keyfile));
        return new SigningPathInfos(inner, [key], { storeDir });
      },
    ),
    pathInfos<
      Inner & { public_keys: readonly string[]; blob_service: BlobService; directory_service: DirectoryService }
    >(
      "verify",
      {
        inner: SERVICE,
        public_keys: { is: "texts" },
        blob_service: { is: "service", of: "blobservices" },
        directory_service: { is: "service", of: "directoryservices" },
      },
      ({ inner, public_keys, blob_service, directory_service }) => {
        const contents = { blobs: blob_service, directories: directory_service };
        const keys = new TrustedKeys(public_keys.map(parsePublicKey));
        return new VerifiedPathInfos({
          inner,
          keys,
          contents,
          calculator: new RenderingCalculator(contents),
          storeDir,
        });
      },
    ),
    realisations("memory", {}, () => new MemoryRealisations()),
    realisations<RetryFields<RealisationService>>(
      "retry",
      RETRY_FIELDS,
      (fields) => new InterceptedRealisations(fields.inner, retryOf(fields)),
    ),
    realisations<{ inner: RealisationService; keyfile: string }>(
      "keyfile-signing",
      { inner: SERVICE, keyfile: { is: "text" } },
      async ({ inner, keyfile }) => new SigningRealisations(inner, [parseSecretKey(await readText(keyfile))]),
    ),
    realisations<{ inner: RealisationService; public_keys: readonly string[] }>(
      "verify",
      { inner: SERVICE, public_keys: { is: "texts" } },
      ({ inner, public_keys }) => new VerifiedRealisations(inner, new TrustedKeys(public_keys.map(parsePublicKey))),
    ),
  ];
}
