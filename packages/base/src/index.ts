// Public, in reading order.
export { FirnError, messageOf } from "./error.ts";
export type { ErrorContext, ErrorOptions } from "./error.ts";
export { connectionFailure } from "./connection-failure.ts";
export { assert, AssertionFailure, unreachable } from "./assert.ts";
export {
  bytesOf,
  byteStringOf,
  byteStringOfText,
  compareByteStrings,
  concatBytes,
  equalBytes,
  giveBack,
  isAscii,
  textOf,
} from "./bytes.ts";
export type { ByteString } from "./bytes.ts";
export { abortable, pause, throwIfAborted, untilAborted } from "./cancel.ts";
export { collectBytes, mapConcurrently, piecesOf, streamOf } from "./stream.ts";
export type { ByteStream } from "./stream.ts";
export { JobSlots } from "./job-slots.ts";
export { Background } from "./background.ts";
export { ByteSource } from "./byte-source.ts";
export { closestNames } from "./suggestion.ts";
