/* A store in memory behind a real server, on TCP or a unix socket, and a peer that speaks to it. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Directory, MemoryBlobs, MemoryDirectories, MemoryLeases } from "@firn/castore";
import { Peer, RemoteBlobs, RemoteDirectories, RemotePathInfos, storeServices } from "@firn/protocol";
import { connectHandler, GrpcChannel, GrpcServer, openHttpServer, type RpcServerOptions } from "@firn/protocol/node";
import { contractService } from "../../build/test/contract-service.ts";
import { parseStorePath } from "@firn/nix-compat";
import { MemoryPathInfos, RenderingCalculator, type Root, type StoreUpkeep } from "@firn/store";

export type ServedOptions = {
  readonly on?: "tcp" | "unix";
  readonly withFirn?: boolean;
  readonly dialects?: readonly ("snix" | "tvix")[];
  readonly rpc?: RpcServerOptions;
  readonly upkeep?: StoreUpkeep;
  readonly tls?: { readonly cert: string; readonly key: string };
};

/** For whoever asks only how it is told. */
function fakeUpkeep(): StoreUpkeep {
  const roots = new Map<string, Root>();
  return {
    roots: {
      listRoots: () => [...roots.values()],
      addRoot: async (name, path) => void roots.set(name, { name, path }),
      removeRoot: async (name) => void roots.delete(name),
      removeIndirectRoot: async () => {},
    },
    collectGarbage: async ({ onProgress } = {}) => {
      onProgress?.({ phase: "mark", done: 7 });
      const deadPaths = [parseStorePath(`${"0".repeat(32)}-gone`)];
      return { deadPaths, livePaths: 2, directories: 3, blobs: 4, chunks: 5, freedBytes: 6, markMs: 0.5 };
    },
  };
}

export async function openServed(options: ServedOptions = {}) {
  const { on = "tcp", rpc = {}, upkeep = fakeUpkeep(), ...rest } = options;
  const leases = new MemoryLeases();
  const blobs = new MemoryBlobs(leases);
  const directories = new MemoryDirectories(leases);
  await blobs.put(new Uint8Array());
  const pathInfos = new MemoryPathInfos(leases);
  const calculator = new RenderingCalculator({ blobs, directories });
  const stopping = new AbortController();
  let attempts = 0;
  const { service: builds } = contractService(
    {
      say: async (_, log) => {
        log("said\n");
        return "said";
      },
    },
    { newId: () => `attempt-${++attempts}` },
  );
  const store = { blobs, directories, pathInfos, calculator, leases, builds, upkeep };
  const handlers = storeServices(store, { now: () => 1_700_000_000, stopping: stopping.signal, ...rest });
  const dir = on === "unix" ? await mkdtemp(join(tmpdir(), "firn-served-")) : undefined;
  const server = await openHttpServer({
    listen: dir === undefined ? { kind: "tcp", host: "127.0.0.1", port: 0 } : { kind: "unix", path: join(dir, "s") },
    grpc: new GrpcServer(handlers, rpc),
    onRequest: connectHandler(handlers, rpc, (_, response) => {
      response.statusCode = 404;
      response.end();
    }),
    tls: options.tls,
  });
  const channel = new GrpcChannel(
    dir === undefined
      ? { kind: "tcp", host: "127.0.0.1", port: server.port as number, isSecure: options.tls !== undefined }
      : { kind: "unix", path: join(dir, "s") },
    { ca: options.tls?.cert },
  );
  const peer = new Peer(channel);
  return {
    store,
    server,
    stopping,
    channel,
    peer,
    blobs: new RemoteBlobs(peer),
    directories: new RemoteDirectories(peer),
    pathInfos: new RemotePathInfos(peer),
    leases: peer,
    close: async () => {
      await channel[Symbol.asyncDispose]();
      await server.close();
      if (dir !== undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** So that the empty directory is in the store, as some contracts want. */
export async function openServedWithEmpty(options: ServedOptions = {}) {
  const served = await openServed(options);
  await served.store.directories.put(Directory.EMPTY);
  return served;
}
