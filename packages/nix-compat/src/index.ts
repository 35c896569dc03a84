// Public, in reading order.
export { NixCompatError } from "./error.ts";
export type { NixCompatErrorCode } from "./error.ts";
export {
  checkStorePathName,
  DEFAULT_STORE_DIR,
  HASH_PART_CHARS,
  isBelowStoreDir,
  NAME_CHARS_MAX,
  parseAbsoluteStorePath,
  parseStorePath,
  parseStorePathPrefix,
  StorePath,
  storePathNameProblem,
} from "./store-path.ts";
export { methodPrefix, parseContentAddress, printContentAddress, splitMethodPrefix } from "./content-address.ts";
export type { ContentAddress, ContentAddressMethod } from "./content-address.ts";
export {
  compressHash,
  downstreamPlaceholder,
  downstreamPlaceholderOfOutput,
  makeFixedOutputPath,
  makeOutputPath,
  makeStorePath,
  makeTextPath,
  makeTextPathOfHash,
  outputPathName,
  passAsFileName,
  placeholder,
} from "./store-path-hash.ts";
export type { FixedOutput } from "./store-path-hash.ts";
export {
  checkOutputName,
  DEFERRED_OUTPUT,
  derivationKind,
  fixedOutput,
  fixedOutputHash,
  floatingOutput,
  impureOutput,
  sortedMap,
  sortedSet,
  UNFILLED_OUTPUT,
} from "./derivation.ts";
export type { Derivation, DerivationOutput, DynamicInput, DynamicInputs, OutputKind } from "./derivation.ts";
export { DERIVATION_BYTES_MAX, parseDerivation, printDerivation } from "./aterm.ts";
export type { PrintOptions } from "./aterm.ts";
export {
  derivationPath,
  derivationPathOfText,
  fillOutputPaths,
  hashDerivationModulo,
  hashMaskedDerivationModulo,
} from "./hash-modulo.ts";
export type { DerivationModulo, FilledDerivation, ModuloLookup } from "./hash-modulo.ts";
export { NAR_DEPTH_MAX, NAR_NAME_BYTES_MAX, NAR_TARGET_BYTES_MAX } from "./nar.ts";
export { NAR_PIECE_BYTES_MAX, narLengths, narPieces } from "./nar-pieces.ts";
export { NarWriter } from "./nar-writer.ts";
export { NarParser, readNar, readNarStream, takeNar } from "./nar-reader.ts";
export type { NarEvent } from "./nar-reader.ts";
export { EXPORT_REFERENCES_MAX, exportEnd, exportHead, exportTrailer, readExport } from "./export-stream.ts";
export type { ExportedPath, ExportTrailer } from "./export-stream.ts";
export { parseFlakeRef, printFlakeRef } from "./flake-ref.ts";
export type { FlakeAttribute, FlakeAttributes } from "./flake-ref.ts";
export { generateSecretKey, parsePublicKey, parseSecretKey, PublicKey, SecretKey } from "./signing-key.ts";
export { checkKeyName, KEY_NAME_CHARS_MAX, parseSignature, printSignature, SIGNATURE_BYTES } from "./signature.ts";
export type { Signature } from "./signature.ts";
export {
  HASHED_REALISATION_BYTES_MAX,
  hashedRealisationFingerprint,
  parseHashedRealisation,
  printHashedRealisation,
  splitHashedName,
} from "./hashed-realisation.ts";
export type { HashedRealisation } from "./hashed-realisation.ts";
export { pathFingerprint } from "./path-fingerprint.ts";
export type { FingerprintedPath } from "./path-fingerprint.ts";
export { NAR_INFO_BYTES_MAX, parseNarInfo, printNarInfo } from "./nar-info.ts";
export type { NarInfo } from "./nar-info.ts";
export { NIX_CACHE_INFO_BYTES_MAX, parseNixCacheInfo, printNixCacheInfo } from "./nix-cache-info.ts";
export type { NixCacheInfo } from "./nix-cache-info.ts";
export { hashNarModulo } from "./nar-modulo.ts";
export { replaceHashParts } from "./hash-rewrite.ts";
export { WIRE_PATH_BYTES_MAX, WireReader, WireWriter } from "./wire.ts";
// Nix's worker protocol.
export { invalidMessage } from "./worker-codec.ts";
export type { WorkerCodec, WorkerSession } from "./worker-codec.ts";
export {
  openWorkerHandshake,
  serveWorkerHandshake,
  WORKER_FEATURES,
  WORKER_VERSION,
  WORKER_VERSION_MIN,
} from "./worker-handshake.ts";
export type { SendBytes, WorkerGreeting } from "./worker-handshake.ts";
export { WORKER_OPERATIONS, workerOperation } from "./worker-operations.ts";
export type {
  AddedAs,
  WorkerBody,
  WorkerOperation,
  WorkerOperationName,
  WorkerOptions,
  WorkerReply,
  WorkerRequest,
} from "./worker-operations.ts";
export { isSuccess, keyedPathInfo } from "./worker-values.ts";
export type {
  BasicDerivation,
  BuiltOutput,
  DerivedPath,
  RealisedOutput,
  WorkerBuildMode,
  WorkerBuildResult,
  WorkerBuildStatus,
  WorkerPathInfo,
  WorkerRealisation,
} from "./worker-values.ts";
export {
  knowsActivities,
  readWorkerLogFrame,
  WORKER_ACTIVITY,
  WORKER_LEVEL,
  WORKER_RESULT,
  writeWorkerLogFrame,
} from "./worker-log.ts";
export type { WorkerField, WorkerLogFrame } from "./worker-log.ts";
export { WorkerFrames, workerFrameHead } from "./worker-frames.ts";
// The protocol of `nix-store --serve`.
export { openServeHandshake, SERVE_COMMANDS, serveCommand, serveHandshake } from "./serve-protocol.ts";
export type { ServeBuildOptions, ServeCommandName, ServeReply, ServeRequest } from "./serve-protocol.ts";
