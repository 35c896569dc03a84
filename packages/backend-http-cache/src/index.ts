// Public, in reading order.
export { HttpCacheError } from "./error.ts";
export type { HttpCacheErrorCode } from "./error.ts";
export { isNixCacheUrl, openNixCache } from "./open-nix-cache.ts";
export type { OpenedNixCache } from "./open-nix-cache.ts";
export { NixCache } from "./nix-cache.ts";
export type { NixCacheOptions } from "./nix-cache.ts";
export { NarInfoMemory } from "./nar-info-memory.ts";
export { NixCachePathInfos } from "./nix-cache-path-infos.ts";
export { publish } from "./publish.ts";
export type { PublishOptions, PublishProgress, PublishResult } from "./publish.ts";
export { Netrc } from "./netrc.ts";
export type { Credentials } from "./netrc.ts";
