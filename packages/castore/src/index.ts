// Public, in reading order. Contract suites for backends: `@firn/castore/contract`.
export { DIGEST_BYTES, NAME_BYTES_MAX, TARGET_BYTES_MAX, TREE_DEPTH_MAX } from "./node.ts";
export type { Digest, DirectoryEntry, DirectoryNode, FileNode, Node, SymlinkNode } from "./node.ts";
export { CastoreError } from "./error.ts";
export type { CastoreErrorCode } from "./error.ts";
export { diskProblem } from "./disk-problem.ts";
export { bytesOfDigest, digestFromBytes, digestOf, EMPTY_DIGEST, formatDigest, parseDigest } from "./digest.ts";
export { checkDigest, checkName, checkNode, checkTarget, nameProblem, quote } from "./node-rules.ts";
export { Directory } from "./directory.ts";
export { DIRECTORY_BYTES_MAX } from "./directory-codec.ts";
export { scanChildren } from "./directory-scan.ts";
export type { CallOptions, Lease, LeaseService } from "./lease.ts";
export type { BlobReader, BlobService, BlobServiceSupports, BlobWriter, ChunkMeta } from "./blob-service.ts";
export type { DirectoryPutter, DirectoryService, DirectoryServiceSupports } from "./directory-service.ts";
export {
  checkRecursive,
  DirectoryGraph,
  GRAPH_BYTES_MAX,
  GRAPH_DIRECTORIES_MAX,
  leavesFirst,
  leavesFirstOf,
  walkDirectories,
} from "./directory-graph.ts";
export { BytesReader } from "./bytes-reader.ts";
export { PieceWriter } from "./piece-writer.ts";
export type { PieceWriterParts } from "./piece-writer.ts";
export { GraphPutter } from "./graph-putter.ts";
export type { GraphPutterParts } from "./graph-putter.ts";
export { hasNode, lookup, needDirectory, readBlob, tooDeep, walkTree } from "./lookup.ts";
export type { CastoreServices, TreeEntry } from "./lookup.ts";
export { diffTrees } from "./tree-diff.ts";
export type { TreeDifference } from "./tree-diff.ts";
export { diffFiles } from "./file-diff.ts";
export type { ByteRange, ChangedRange } from "./file-diff.ts";
export { Chunker, chunksOf } from "./chunker.ts";
export type { Chunk } from "./chunker.ts";
export { ChunkedReader, chunksFrom, verifyChunkList } from "./chunked-reader.ts";
export type { ChunkRun, ReadChunk, ReadRun } from "./chunked-reader.ts";
export { OutboardBuilder, outboardBytes, outboardSize } from "./outboard.ts";
export type { Outboard } from "./outboard.ts";
export { computeOutboard, outboardOf } from "./outboard-of.ts";
export { decodeSlice, encodeSlice } from "./bao-slice.ts";
export { verifiedRange } from "./verified-range.ts";
export {
  CHUNK_LIST_BYTES_MAX,
  decodeTree,
  encodeTree,
  parseChunkList,
  parseStaticName,
  printChunkList,
  STATIC_WHOLE_BYTES_MAX,
  staticName,
} from "./static-layout.ts";
export type { StaticKind } from "./static-layout.ts";
export { TreeBuilder } from "./tree-builder.ts";
export type { ContentObserver, ImportOptions, TreeImporter, TreeObserver } from "./import.ts";
export type { ExposedTrees, TreeExposer } from "./tree-exposer.ts";
export { MemoryBlobs } from "./memory-blobs.ts";
export { MemoryDirectories } from "./memory-directories.ts";
export { MemoryLeases } from "./memory-leases.ts";
export { LruMap } from "./lru-map.ts";
export { InterceptedBlobs, InterceptedDirectories, once, repeatable } from "./intercept.ts";
export type { Interceptor, ServiceCall } from "./intercept.ts";
export { tracing } from "./trace.ts";
export type { ServiceEvent, TraceOptions } from "./trace.ts";
export { naming } from "./named.ts";
export { retrying } from "./retry.ts";
export type { RetryOptions } from "./retry.ts";
export { readOnlyBlobs, readOnlyDirectories } from "./read-only.ts";
export { VerifiedBlobs, VERIFIED_BYTES_MAX } from "./verified-blobs.ts";
export { VerifiedDirectories } from "./verified-directories.ts";
export { CachedBlobs, farOptions } from "./cached-blobs.ts";
export { CachedDirectories } from "./cached-directories.ts";
export { TieredBlobs } from "./tiered-blobs.ts";
export { TieredDirectories } from "./tiered-directories.ts";
export { PeerBlobs } from "./peer-blobs.ts";
export type { PeerBlobsOptions } from "./peer-blobs.ts";
export { PeerDirectories } from "./peer-directories.ts";
export type { PeerDirectoriesOptions } from "./peer-directories.ts";
export { firstAnswer, firstStream } from "./tiers.ts";
export { SingleFlight } from "./single-flight.ts";
export { transferBlob, transferDirectories } from "./transfer.ts";
export type { DirectoryTransferOptions, TransferOptions } from "./transfer.ts";
export { defineServiceType, ServiceRegistry } from "./service-type.ts";
export type { FieldSpec, FieldValues, OpenContext, ServiceType, ServiceUrl } from "./service-type.ts";
export { readComposition, readServiceUrl, ROOT_NAME } from "./composition-document.ts";
export { CASTORE_WRAPS, Composition } from "./composition.ts";
export type { CompositionOptions, Lie, Wrap } from "./composition.ts";
export { CASTORE_SERVICE_TYPES, RETRY_FIELDS, retryOf } from "./service-types.ts";
export type { RetryFields } from "./service-types.ts";
