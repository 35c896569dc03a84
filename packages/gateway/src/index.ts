// Public, in reading order.
export { GatewayError } from "./error.ts";
export type { GatewayErrorCode } from "./error.ts";
export { BinaryCache } from "./binary-cache.ts";
export type { BinaryCacheParts } from "./binary-cache.ts";
export type { BuildLogs } from "./build-logs.ts";
