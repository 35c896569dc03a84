// Public, in reading order. Contract suites for backends: `@firn/store/contract`.
export { StoreError } from "./error.ts";
export type { StoreErrorCode } from "./error.ts";
export type { PathInfo, PathSignature } from "./path-info.ts";
export { checkPathInfo, mergePathInfo, REFERENCES_MAX, SIGNATURES_MAX, sortedReferences } from "./path-info-rules.ts";
export { mergeAll } from "./path-info-put.ts";
export { decodePathInfo, encodePathInfo, PATH_INFO_BYTES_MAX } from "./path-info-codec.ts";
export type { PathInfoService, PathInfoServiceSupports } from "./path-info-service.ts";
export { MemoryPathInfos } from "./memory-path-infos.ts";
export { calculateNar, renderNar } from "./nar-render.ts";
export { ingestNar, NAR_BYTES_MAX } from "./nar-ingest.ts";
export type { IngestedNar, IngestOptions } from "./nar-ingest.ts";
