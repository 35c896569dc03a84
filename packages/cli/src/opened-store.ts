/*
A store that was chosen, opened: the one place where backends are named. Commands that need no more than services take this; builds and whatever makes real
files need the local store.
*/

import { mkdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { FirnError, messageOf } from "@firn/base";
import type { LocalStore } from "@firn/backend-local";
import type { DaemonPaths } from "@firn/backend-nix-daemon";
import {
  type BlobService,
  Composition,
  defineServiceType,
  type DirectoryService,
  type Lease,
  type Lie,
  type ServiceEvent,
  ServiceRegistry,
  type ServiceType,
} from "@firn/castore";
import { parsePublicKey } from "@firn/nix-compat";
import type { Peer } from "@firn/protocol";
import {
  type PathInfoService,
  type StoreServices,
  type StoreUpkeep,
  STORE_WRAPS,
  storeServiceTypes,
  OPTIONAL_KINDS,
  type RealisationService,
  TrustedKeys,
} from "@firn/store";
import { parse as parseToml } from "smol-toml";
import { CliError } from "./error.ts";
import type { StoreChoice } from "./store-choice.ts";

export interface OpenedStore extends StoreServices, AsyncDisposable {
  /** For messages. */
  readonly label: string;
  /** What came out of derivations that do not say it; absent where that is not kept. */
  readonly realisations?: RealisationService;
  /** Holds what is put and confirmed, where something could be deleted. */
  readonly openLease: (label: string) => Promise<Lease | undefined>;
  /** Its roots and garbage, where others than its own commands may look after these. */
  readonly upkeep?: StoreUpkeep;
  /** One of Firn's servers, if it is one: copies from and to it take few round trips. */
  readonly peer?: Peer;
  /** Of a composition: which of its peers were found to lie and are not asked any more. Grows. */
  readonly liars?: ReadonlySet<string>;
  /** A daemon of Nix's, if it is one: copies from it register each path as it comes. */
  readonly daemonPaths?: DaemonPaths;
}

export type OpenStoreOptions = {
  readonly storeDir: string;
  readonly signal: AbortSignal;
  /** Gets each call of each service of a composition. */
  readonly trace?: ((event: ServiceEvent) => void) | undefined;
  /** Told, once for each, of a peer of a composition that lied. */
  readonly onLie: (lie: Lie) => void;
  /** Firn's own store on this machine, for what comes and goes through it; whoever gives it closes it. */
  readonly openOwn: () => Promise<LocalStore>;
};

/** The services of a local store. Disposing of it closes the store. */
export function servicesOfLocal(store: LocalStore): OpenedStore {
  const { blobs, directories, pathInfos, realisations, leases, dir } = store;
  return {
    label: `local:${dir}`,
    blobs,
    directories,
    pathInfos,
    realisations,
    openLease: (label) => leases.openLease(label),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** Opens any store. Throws `usage` or `configuration` for a composition that is not one. */
export async function openChosenStore(choice: StoreChoice, options: OpenStoreOptions): Promise<OpenedStore> {
  if (choice.kind === "local") {
    const { openLocalStore } = await import("@firn/backend-local");
    return servicesOfLocal(await openLocalStore(choice.hostDir, { signal: options.signal }));
  }
  if (choice.kind === "grpc") return openServer(choice);
  if (choice.kind === "daemon") return await openDaemonStore(choice.socketPath, options);
  const label = choice.kind === "file" ? choice.hostPath : choice.label;
  const document = choice.kind === "file" ? readDocument(choice.hostPath) : choice.document;
  const types = await serviceTypes(choice.hostDir, options.storeDir);
  const liars = new Set<string>();
  const composition = attempt(label, () => {
    return new Composition(document, {
      registry: new ServiceRegistry(types, OPTIONAL_KINDS),
      wraps: STORE_WRAPS,
      signal: options.signal,
      ...(choice.kind === "document" ? { label: label.split("?", 1)[0] } : {}),
      onLie: (lie) => {
        // One that lies about blobs and about directories is one liar.
        if (!liars.has(lie.liar)) options.onLie(lie);
        liars.add(lie.liar);
      },
      ...(options.trace === undefined ? {} : { trace: { sink: options.trace, now: () => performance.now() } }),
    });
  });
  try {
    return {
      label,
      blobs: (await composition.open("blobservices")) as BlobService,
      directories: (await composition.open("directoryservices")) as DirectoryService,
      pathInfos: (await composition.open("pathinfoservices")) as PathInfoService,
      realisations: composition.has("realisationservices")
        ? ((await composition.open("realisationservices")) as RealisationService)
        : undefined,
      liars,
      openLease: async () => undefined,
      [Symbol.asyncDispose]: () => composition[Symbol.asyncDispose](),
    };
  } catch (thrown) {
    await composition[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** The services of a server, which also holds leases where it is one of Firn's. */
async function openServer({ server, hostDir, label }: StoreChoice & { kind: "grpc" }): Promise<OpenedStore> {
  const { RemoteBlobs, RemoteDirectories, RemotePathInfos, RemoteUpkeep } = await import("@firn/protocol");
  const { openGrpcPeer } = await import("@firn/protocol/node");
  const peer = await openGrpcPeer(server, { readText: readTextBeside(hostDir) });
  const { isFirn } = await peer.kind().catch(async (thrown: unknown) => {
    await peer[Symbol.asyncDispose]();
    throw thrown;
  });
  return {
    label,
    blobs: new RemoteBlobs(peer),
    directories: new RemoteDirectories(peer),
    pathInfos: new RemotePathInfos(peer),
    peer: isFirn ? peer : undefined,
    upkeep: isFirn ? new RemoteUpkeep(peer) : undefined,
    openLease: async (name) => (isFirn ? peer.openLease(name) : undefined),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

/** Reads files named relative to a directory, such as those of tokens and certificates. Throws `not-found`. */
export function readTextBeside(hostDir: string): (path: string) => Promise<string> {
  return async (path) => {
    try {
      return await readFile(resolve(hostDir, path), "utf8");
    } catch (thrown) {
      throw new CliError("not-found", `cannot read ${path}: ${messageOf(thrown)}`, { cause: thrown });
    }
  };
}

/** A daemon's paths, with contents in Firn's own store, where they are held as long as this is open. */
async function openDaemonStore(
  socketPath: string,
  { storeDir, signal, openOwn }: OpenStoreOptions,
): Promise<OpenedStore> {
  const { openNixDaemon } = await import("@firn/backend-nix-daemon");
  const own = await openOwn();
  const lease = await own.leases.openLease(`contents of ${socketPath}`);
  try {
    const daemon = await openNixDaemon({ socketPath, castore: own, near: own.pathInfos, storeDir, signal });
    return {
      label: `daemon:${socketPath}`,
      blobs: own.blobs,
      directories: own.directories,
      pathInfos: daemon.pathInfos,
      daemonPaths: daemon.paths,
      openLease: (label) => own.leases.openLease(label),
      [Symbol.asyncDispose]: async () => {
        await daemon.close();
        await lease.release();
      },
    };
  } catch (thrown) {
    await lease.release();
    throw thrown;
  }
}

function readDocument(hostPath: string): unknown {
  try {
    return parseToml(readFileSync(hostPath, "utf8"));
  } catch (thrown) {
    throw new CliError("configuration", `${hostPath} cannot be read as a composition: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function attempt<T>(label: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof FirnError) || thrown.code !== "composition") throw thrown;
    throw new CliError("configuration", `${label}: ${thrown.message}`, { cause: thrown });
  }
}

/** All types of services a composition may use here; paths are relative to `hostDir`. */
async function serviceTypes(hostDir: string, storeDir: string): Promise<ServiceType[]> {
  const { grpcServiceTypes } = await import("@firn/protocol/node");
  const { staticServiceTypes } = await import("@firn/backend-castore-http");
  const readText = readTextBeside(hostDir);
  const types = [
    ...storeServiceTypes({ storeDir, readText }),
    ...grpcServiceTypes({ readText }),
    ...staticServiceTypes({ readText }),
  ];
  const services = {
    blobservices: "blobs",
    directoryservices: "directories",
    pathinfoservices: "pathInfos",
    realisationservices: "realisations",
  } as const;
  for (const [kind, service] of Object.entries(services) as [
    keyof typeof services,
    (typeof services)[keyof typeof services],
  ][]) {
    const fields = { path: { is: "text" } } as const;
    const ofUrl = ({ place }: { readonly place: string }) => ({ path: place });
    types.push(
      defineServiceType<{ path: string }>({
        kind,
        type: "local",
        fields,
        ofUrl,
        open: async ({ path }, { shared, signal }) => {
          const { openLocalStore } = await import("@firn/backend-local");
          const dir = resolve(hostDir, path);
          return (await shared(`local ${dir}`, () => openLocalStore(dir, { signal })))[service];
        },
      }),
      defineServiceType<{ path: string }>({
        kind,
        type: "sqlite",
        fields,
        ofUrl,
        open: async ({ path }, { shared }) => {
          const { openSqliteStore } = await import("@firn/backend-sqlite");
          const file = resolve(hostDir, path);
          mkdirSync(resolve(file, ".."), { recursive: true });
          return (await shared(`sqlite ${file}`, () => openSqliteStore(file)))[service];
        },
      }),
    );
    if (service === "pathInfos" || service === "realisations") continue;
    types.push(
      defineServiceType<{ object_store_url: string }>({
        kind,
        type: "objectstore",
        fields: { object_store_url: { is: "text" }, object_store_options: { is: "texts by name", optional: true } },
        ofUrl: ({ variant, place }) => ({ object_store_url: `${variant}://${place}` }),
        open: async ({ object_store_url }) => {
          const { openObjectStore } = await import("@firn/backend-objects");
          if (!object_store_url.startsWith("file://"))
            throw new CliError(
              "configuration",
              `object stores are directories here, file:///…, not '${object_store_url}'`,
            );
          return openObjectStore(resolve(hostDir, object_store_url.slice("file://".length)))[service];
        },
      }),
    );
  }
  types.push(nixCacheType(hostDir, storeDir));
  return types;
}

/** A binary cache of Nix, with the fields it has in Snix; what is asked for comes whole into the services named beside it. */
function nixCacheType(hostDir: string, storeDir: string): ServiceType {
  return defineServiceType<{
    base_url: string;
    public_keys?: readonly string[];
    blob_service: BlobService;
    directory_service: DirectoryService;
  }>({
    kind: "pathinfoservices",
    type: "nix",
    fields: {
      base_url: { is: "text" },
      public_keys: { is: "texts", optional: true },
      blob_service: { is: "service", of: "blobservices" },
      directory_service: { is: "service", of: "directoryservices" },
    },
    open: async ({ base_url, public_keys, blob_service, directory_service }, { shared }) => {
      const { NixCachePathInfos, openNixCache } = await import("@firn/backend-http-cache");
      const url = base_url.replace(/^file:\/\/(?!\/)/, () => `file://${hostDir}/`);
      const { cache } = await shared(`nix ${url}`, () => {
        const opened = openNixCache(url, { storeDir });
        return { cache: opened.cache, [Symbol.asyncDispose]: async () => opened[Symbol.dispose]() };
      });
      return new NixCachePathInfos({
        cache,
        contents: { blobs: blob_service, directories: directory_service },
        trusted: public_keys === undefined ? undefined : new TrustedKeys(public_keys.map(parsePublicKey)),
        storeDir,
        now: Date.now,
      });
    },
  });
}
