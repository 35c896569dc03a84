/* The one error class of compression. */

import { FirnError } from "@firn/base";

/**
 * - `unsupported`: a way of packing that is not known here.
 * - `damaged`: packed bytes that cannot be unpacked, or end in the middle.
 * - `no-program`: the program that packs or unpacks is not on this machine.
 */
export type CompressionErrorCode = "unsupported" | "damaged" | "no-program";

export class CompressionError extends FirnError<CompressionErrorCode> {}
