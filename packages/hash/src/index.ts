// Public, in reading order. Faster kernels for Node: `@firn/hash/node`.
export { HashError } from "./error.ts";
export type { HashErrorCode } from "./error.ts";
export { digestBytes, HASH_ALGORITHMS, isHashAlgorithm } from "./algorithm.ts";
export type { HashAlgorithm } from "./algorithm.ts";
export { createHasher, hashBytes, hashBytesHex, hashByteString, hashByteStringHex, installKernel } from "./kernel.ts";
export type { Hasher, HashKernel } from "./kernel.ts";
export {
  fromBase64,
  fromHex,
  fromNixBase32,
  nixBase32Length,
  toBase64,
  toHex,
  toNixBase32,
} from "./encoding.ts";
export { equalHashes, parseHash, printHash } from "./hash.ts";
export type { Hash, HashFormat } from "./hash.ts";
export {
  CV_BYTES,
  GROUP_BYTES,
  GROUPS_BYTES_MAX,
  groupCvs,
  groupCvsOfParts,
  LEAF_BYTES,
  parentCv,
  pieceCv,
  pieceRoot,
} from "./tree-hash.ts";
export { CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, firstChunkBytes } from "./fastcdc.ts";
