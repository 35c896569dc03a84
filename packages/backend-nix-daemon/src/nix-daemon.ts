/*
A Nix daemon, opened: its paths as a PathInfoService on a castore of the caller's, and its builder.
*/

import type { CastoreServices } from "@firn/castore";
import { DEFAULT_STORE_DIR, type StorePath } from "@firn/nix-compat";
import type { PathInfoService } from "@firn/store";
import { ConnectionPool } from "./connection-pool.ts";
import { buildOnDaemon, type DaemonBuildOptions, type DaemonBuildResult } from "./daemon-builds.ts";
import { DaemonConnection } from "./daemon-connection.ts";
import { DaemonPathInfos } from "./daemon-path-infos.ts";
import { DaemonPaths } from "./daemon-paths.ts";

const CONNECTIONS_MAX = 4;

export type NixDaemonOptions = {
  /** Host path of the socket. */
  readonly socketPath: string;
  /** Where contents are taken in, and rendered from. */
  readonly castore: CastoreServices;
  /** A store on the same castore: contents of paths that it knows under the same NAR hash are not asked for. */
  readonly near?: Pick<PathInfoService, "get">;
  /** /nix/store when not said. */
  readonly storeDir?: string;
  /** The newest minor version of protocol 1 that is spoken; all that are known when not said. */
  readonly version?: number;
  readonly signal?: AbortSignal;
};

export interface NixDaemon extends AsyncDisposable {
  readonly pathInfos: PathInfoService;
  /** Its paths for copies elsewhere, which come without going through the castore. */
  readonly paths: DaemonPaths;
  /** Makes sure that outputs of derivations are in the daemon's store, in which the derivations must be. Failures are results. */
  build(
    targets: readonly { readonly path: StorePath; readonly outputs: readonly string[] | "all" }[],
    options?: DaemonBuildOptions,
  ): Promise<readonly DaemonBuildResult[]>;
  close(): Promise<void>;
}

/** Connects. Throws `unreachable` where nobody listens, `protocol` where somebody else does. */
export async function openNixDaemon(options: NixDaemonOptions): Promise<NixDaemon> {
  const { socketPath, castore, near, storeDir = DEFAULT_STORE_DIR, version } = options;
  const pool = new ConnectionPool(CONNECTIONS_MAX, (signal) =>
    DaemonConnection.open(socketPath, { storeDir, ...(version === undefined ? {} : { version }), signal }),
  );
  await pool.run(options.signal, async () => {}); // the first connection says whether there is a daemon
  const paths = new DaemonPaths(`daemon:${socketPath}`, pool);
  const close = async () => pool.close();
  return {
    paths,
    pathInfos: new DaemonPathInfos({ pool, paths, castore, ...(near === undefined ? {} : { near }) }),
    build: (targets, buildOptions = {}) => buildOnDaemon(targets, pool, buildOptions),
    close,
    [Symbol.asyncDispose]: close,
  };
}
