// Public, in reading order. Contract suites for backends: `@firn/store/contract`.
export { StoreError } from "./error.ts";
export type { StoreErrorCode } from "./error.ts";
export type { DescribedPath, PathInfo, PathSignature, SignatureScheme } from "./path-info.ts";
export { checkPathInfo, mergePathInfo, REFERENCES_MAX, SIGNATURES_MAX, sortedReferences } from "./path-info-rules.ts";
export { mergeAll } from "./path-info-put.ts";
export { decodePathInfo, encodePathInfo, PATH_INFO_BYTES_MAX, recordOfNode } from "./path-info-codec.ts";
export type { NodeRecord } from "./path-info-codec.ts";
export {
  parseStaticIndex,
  printStaticIndex,
  STATIC_INDEX,
  STATIC_INDEX_BYTES_MAX,
  staticPathName,
} from "./static-paths.ts";
export type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";
export { MemoryPathInfos } from "./memory-path-infos.ts";
export { checkRealisation } from "./realisation.ts";
export type { Realisation } from "./realisation.ts";
export { mergeRealisations } from "./realisation-put.ts";
export { decodeRealisation, encodeRealisation, realisationKey } from "./realisation-codec.ts";
export {
  BUILD_TRACE_BYTES_MAX,
  buildTraceName,
  parseBuildTraceEntry,
  printBuildTraceEntry,
  realisationFingerprint,
} from "./build-trace.ts";
export type { RealisationService } from "./realisation-service.ts";
export { MemoryRealisations } from "./memory-realisations.ts";
export { calculateNar, renderNar } from "./nar-render.ts";
export { NarObserver } from "./nar-observer.ts";
export type { NarDigest } from "./nar-render.ts";
export { NarLayout, narLayout } from "./nar-layout.ts";
export { RenderingCalculator } from "./nar-calculator.ts";
export type { NarCalculator } from "./nar-calculator.ts";
export { debugFiles, debugInfoName, printDebugInfo } from "./debug-info.ts";
export type { DebugFile } from "./debug-info.ts";
export { narListing } from "./nar-listing.ts";
export { parseCastoreNarPath, printCastoreNarPath } from "./castore-nar-path.ts";
export type { CastoreNar } from "./castore-nar-path.ts";
export { ingestNar, NAR_BYTES_MAX } from "./nar-ingest.ts";
export type { IngestedNar, IngestOptions } from "./nar-ingest.ts";
export { narInfoOf, pathInfoOf } from "./path-info-nar-info.ts";
export type { NarFile } from "./path-info-nar-info.ts";
export { hashContents } from "./contents-hash.ts";
export type { ContentsHashing } from "./contents-hash.ts";
export { checkContentAddress, isContentAddressed } from "./content-check.ts";
export { firnFingerprint } from "./firn-fingerprint.ts";
export { isTrusted, signPathInfo, signRealisation, TrustedKeys } from "./signing.ts";
export type { GoodSignatures } from "./signing.ts";
export { CLOSURE_PATHS_MAX, closureOf, inRegistrationOrder, needPathInfo } from "./closure.ts";
export type { ClosureOptions } from "./closure.ts";
export { InterceptedPathInfos } from "./intercept-path-infos.ts";
export { readOnlyPathInfos } from "./read-only-path-infos.ts";
export { CachedPathInfos } from "./cached-path-infos.ts";
export { TieredPathInfos } from "./tiered-path-infos.ts";
export { VerifiedPathInfos } from "./verified-path-infos.ts";
export type { VerifiedPathInfosParts } from "./verified-path-infos.ts";
export { SigningPathInfos } from "./signing-path-infos.ts";
export { InterceptedRealisations } from "./intercept-realisations.ts";
export { SigningRealisations } from "./signing-realisations.ts";
export { VerifiedRealisations } from "./verified-realisations.ts";
export { OPTIONAL_KINDS, STORE_WRAPS, storeServiceTypes } from "./service-types.ts";
export type { StoreTypesHost } from "./service-types.ts";
export { checkNar, copyPaths, copyTree } from "./copy-paths.ts";
export type { CopyOptions, CopyProgress, CopyResult, CopyTreeOptions, StoreServices } from "./copy-paths.ts";
export { copyRealisations, realisationsOf } from "./copy-realisations.ts";
export type { RealisedStore } from "./copy-realisations.ts";
export type { Offer, Substituter, TakeOptions } from "./substituter.ts";
export { bringPaths } from "./bring-paths.ts";
export { Substitution } from "./substitution.ts";
export type { SubstitutionEvent, SubstitutionParts } from "./substitution.ts";
export { ROOT_NAME_CHARS_MAX } from "./store-upkeep.ts";
export type {
  GarbageOptions,
  GarbageProgress,
  GarbageResult,
  Root,
  RootService,
  StoreUpkeep,
} from "./store-upkeep.ts";
export { exportClosure, importClosure } from "./closure-archive.ts";
export type { ImportClosureOptions } from "./closure-archive.ts";
export { whyDepends } from "./why-depends.ts";
export type { DependencyStep, Mention } from "./why-depends.ts";
export { diskUsage } from "./disk-usage.ts";
export type { PathUsage, Usage } from "./disk-usage.ts";
