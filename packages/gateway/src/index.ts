// Public, in reading order.
export { GatewayError } from "./error.ts";
export type { GatewayErrorCode } from "./error.ts";
export { BinaryCache } from "./binary-cache.ts";
export type { BinaryCacheParts } from "./binary-cache.ts";
export { StaticCastore } from "./static-castore.ts";
export type { StaticCastoreParts } from "./static-castore.ts";
export { WebFiles } from "./web-files.ts";
export type { WebFilesOptions } from "./web-files.ts";
export type { BuildLogs } from "./build-logs.ts";
// Nix's worker protocol on unix sockets.
export type {
  DaemonBuild,
  DaemonBuildCounts,
  DaemonBuildEvent,
  DaemonBuildOptions,
  DaemonBuildSettings,
  DaemonBuildTarget,
  DaemonCollect,
  DaemonHost,
  DaemonRoots,
  DaemonSources,
  DaemonSourcesOptions,
} from "./daemon-host.ts";
export { DaemonServer } from "./daemon-server.ts";
export type { DaemonSockets } from "./daemon-server.ts";
export { serveOnStream } from "./serve-connection.ts";
export type { ServeOptions } from "./serve-connection.ts";
export { StoreDirectory } from "./daemon-store-directory.ts";
export type { StoreDirectoryParts } from "./daemon-store-directory.ts";
