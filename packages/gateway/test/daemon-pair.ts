/* A daemon of the gateway on stores in memory, and stores that reach it over its socket. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DaemonConnection, type NixDaemon, openNixDaemon } from "@firn/backend-nix-daemon";
import { MemoryBlobs, MemoryDirectories, MemoryLeases } from "@firn/castore";
import { type DaemonHost, DaemonServer } from "@firn/gateway";
import { parsePublicKey, type PublicKey } from "@firn/nix-compat";
import { MemoryPathInfos, MemoryRealisations, type StoreServices, TrustedKeys } from "@firn/store";

export type DaemonPair = {
  /** What the daemon keeps. */
  readonly remote: StoreServices;
  readonly sockets: { readonly trusted: string; readonly untrusted: string };
  readonly server: DaemonServer;
  /** A client with a castore of its own. */
  readonly connect: (options?: {
    readonly trusted?: boolean;
    readonly version?: number;
  }) => Promise<{ readonly daemon: NixDaemon; readonly near: StoreServices }>;
  /** One connection, for requests by hand. */
  readonly dial: (options?: { readonly trusted?: boolean; readonly version?: number }) => Promise<DaemonConnection>;
  readonly close: () => Promise<void>;
};

export function memoryStores(leases = new MemoryLeases()): StoreServices {
  const [blobs, directories] = [new MemoryBlobs(leases), new MemoryDirectories(leases)];
  return { blobs, directories, pathInfos: new MemoryPathInfos(leases) };
}

export async function daemonPair(
  more: Partial<DaemonHost> & { readonly keys?: readonly (PublicKey | string)[] } = {},
): Promise<DaemonPair> {
  const directory = mkdtempSync(join(tmpdir(), "firn-daemon-"));
  const leases = new MemoryLeases();
  const remote = memoryStores(leases);
  const { keys = [], ...host } = more;
  const server = new DaemonServer({
    storeDir: "/nix/store",
    services: remote,
    leases,
    realisations: new MemoryRealisations(leases),
    trustedKeys: new TrustedKeys(keys.map((key) => (typeof key === "string" ? parsePublicKey(key) : key))),
    programVersion: "2.35.2",
    now: () => 1_700_000_000_000,
    ...host,
  });
  const sockets = { trusted: join(directory, "trusted"), untrusted: join(directory, "untrusted") };
  await server.listen(sockets);
  const opened: NixDaemon[] = [];
  const connect: DaemonPair["connect"] = async ({ trusted = true, version } = {}) => {
    const near = memoryStores();
    const socketPath = trusted ? sockets.trusted : sockets.untrusted;
    const daemon = await openNixDaemon({ socketPath, castore: near, ...(version === undefined ? {} : { version }) });
    opened.push(daemon);
    return { daemon, near };
  };
  const dialled: DaemonConnection[] = [];
  const dial: DaemonPair["dial"] = async ({ trusted = true, version } = {}) => {
    const socketPath = trusted ? sockets.trusted : sockets.untrusted;
    const options = version === undefined ? {} : { version };
    const connection = await DaemonConnection.open(socketPath, { storeDir: "/nix/store", ...options });
    dialled.push(connection);
    return connection;
  };
  const close = async () => {
    for (const connection of dialled) connection.close();
    for (const daemon of opened) await daemon.close();
    await server.close(100);
    rmSync(directory, { recursive: true, force: true });
  };
  return { remote, sockets, server, connect, dial, close };
}
