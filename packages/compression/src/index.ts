// Public, in reading order.
export { CompressionError } from "./error.ts";
export type { CompressionErrorCode } from "./error.ts";
export { compress, COMPRESSIONS, decompress, extensionOf, parseCompression, sniffCompression } from "./compression.ts";
export type { Compression } from "./compression.ts";
