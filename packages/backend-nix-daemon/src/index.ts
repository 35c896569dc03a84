// Public, in reading order.
export { NixDaemonError } from "./error.ts";
export type { NixDaemonErrorCode } from "./error.ts";
export { openNixDaemon } from "./nix-daemon.ts";
export type { NixDaemon, NixDaemonOptions } from "./nix-daemon.ts";
export type { DaemonPaths } from "./daemon-paths.ts";
export { DaemonConnection } from "./daemon-connection.ts";
export type { DaemonCallOptions } from "./daemon-connection.ts";
export type { DaemonBuildEvent, DaemonBuildOptions, DaemonBuildResult } from "./daemon-builds.ts";
