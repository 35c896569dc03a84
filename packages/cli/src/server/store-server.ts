/*
A store behind one port: gRPC, gRPC-Web and Connect, a binary cache of Nix, files for browsers, metrics, health. Here it is put together and decided who may do what; each
protocol's own work is done in protocol and gateway.
*/

import type { IncomingMessage, ServerResponse } from "node:http";
import process from "node:process";
import { BinaryCache, type BuildLogs, StaticCastore, WebFiles } from "@firn/gateway";
import type { BuildService } from "@firn/build";
import type { SecretKey } from "@firn/nix-compat";
import { type Access, ProtocolError, type RpcHandler, storeServices } from "@firn/protocol";
import {
  connectHandler,
  GrpcServer,
  type HttpServer,
  type HttpServerOptions,
  type NodeHandler,
  openHttpServer,
  type RpcServerOptions,
} from "@firn/protocol/node";
import { RenderingCalculator, type StoreUpkeep, type TrustedKeys } from "@firn/store";
import type { OpenedStore } from "../opened-store.ts";
import { isPrivate } from "./listen-address.ts";
import { type Gauge, Metrics } from "./metrics.ts";
import { areSpansRecorded, callSpans, withSpans } from "./spans.ts";
import type { Tokens } from "./tokens.ts";

export type StoreServerOptions = {
  readonly store: OpenedStore;
  readonly logs?: BuildLogs;
  /** Absent: nobody from elsewhere lists roots or deletes anything. */
  readonly upkeep?: StoreUpkeep;
  /** Absent: nothing is built for others. */
  readonly builds?: BuildService;
  readonly storeDir: string;
  readonly listen: HttpServerOptions["listen"];
  readonly tls?: HttpServerOptions["tls"];
  /** Absent: whoever reaches the port may do everything that is not read-only. */
  readonly tokens?: Tokens;
  readonly isWritable: boolean;
  /** Sign what the binary cache serves. */
  readonly keys: readonly SecretKey[];
  /** Whose signatures uploads to the binary cache need; absent: none. */
  readonly trusted?: TrustedKeys;
  readonly priority?: number;
  /** Host directory of files for browsers, which everybody may read; absent: none. */
  readonly webHostDir?: string;
  /** Told of failures that are nobody's fault but the server's. */
  readonly report: (thrown: unknown, where: string) => void;
};

export interface StoreServer {
  readonly url: string;
  /** Takes nothing more, lets what runs end for so long, and cuts off the rest. */
  close(graceMs: number): Promise<void>;
}

export async function openStoreServer(options: StoreServerOptions): Promise<StoreServer> {
  const { tokens, isWritable, report } = options;
  const isTraced = areSpansRecorded();
  const store = isTraced ? withSpans(options.store) : options.store;
  const { blobs, directories, pathInfos } = store;
  const web =
    options.webHostDir === undefined
      ? undefined
      : await WebFiles.open(options.webHostDir, { report: (thrown) => report(thrown, "web files") });
  const metrics = new Metrics();
  const stopping = new AbortController();
  // Where nothing is deleted there is nothing to hold.
  const first = await store.openLease("firn serve");
  await first?.release();
  const leases = first && { openLease: async (label: string) => (await store.openLease(label)) ?? first };
  const allow = (authorization: string | undefined, access: Access) => {
    tokens?.check(authorization, access);
    if (access !== "read" && !isWritable) throw new ProtocolError("permission-denied", "this server takes nothing in");
  };
  const rpc: RpcServerOptions = {
    authorize: (handler, metadata) => {
      if (!isOpenToAll(handler)) allow(metadata("authorization"), handler.method.access);
    },
    around: isTraced ? callSpans : undefined,
    now: () => performance.now(),
    onCall: (path, code, ms) => metrics.observe({ protocol: "rpc", method: path, code }, ms / 1000),
    onFailure: (thrown, path) => report(thrown, path),
  };
  const calculator = new RenderingCalculator(store);
  const handlers = storeServices(
    { blobs, directories, pathInfos, calculator, leases, upkeep: options.upkeep, builds: options.builds },
    { now: () => Math.floor(Date.now() / 1000), stopping: stopping.signal },
  );
  const cache = new BinaryCache({
    ...store,
    leases,
    logs: options.logs,
    isWritable,
    keys: options.keys,
    trusted: options.trusted,
    storeDir: options.storeDir,
    priority: options.priority,
    now: Date.now,
    report: (thrown) => report(thrown, "binary cache"),
  });

  const castore = new StaticCastore({
    blobs,
    directories,
    pathInfos,
    isWritable,
    report: (thrown) => report(thrown, "castore"),
  });
  let server: HttpServer | undefined;
  const pages: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "/metrics": (response) => answer(response, 200, metrics.print(gauges(server, store)), "text/plain; version=0.0.4"),
  };
  const front: NodeHandler = (request, response) => {
    const http = { request: request as IncomingMessage, response: response as ServerResponse };
    const { method = "GET", url = "/" } = http.request;
    if (url === "/health")
      return stopping.signal.aborted ? answer(http.response, 503, "stopping\n") : answer(http.response, 200, "ok\n");
    const from = performance.now();
    http.response.once("close", () => {
      const code = String(http.response.statusCode);
      metrics.observe({ protocol: "http", method, code }, (performance.now() - from) / 1000);
    });
    // What comes from the store is never run as a script by pages of the same address.
    if (web !== undefined) http.response.setHeader("x-content-type-options", "nosniff");
    const isReading = method === "GET" || method === "HEAD";
    try {
      allow(http.request.headers.authorization, isReading ? "read" : "write");
    } catch (thrown) {
      const isOfStore = Object.hasOwn(pages, url) || castore.owns(url) || cache.owns(url);
      if (web !== undefined && !isOfStore) return web.handle(http.request, http.response);
      return refuse(http.request, http.response, thrown);
    }
    const page = isReading ? pages[url] : undefined;
    if (page !== undefined) return page(http.response);
    if (castore.handle(http.request, http.response) || cache.handle(http.request, http.response)) return;
    if (web !== undefined) web.handle(http.request, http.response);
    else answer(http.response, 404, "there is nothing here\n");
  };
  const served = connectHandler(handlers, rpc, front);
  try {
    server = await openHttpServer({
      listen: options.listen,
      tls: options.tls,
      grpc: new GrpcServer(handlers, rpc),
      onRequest: tokens === undefined && options.listen.kind === "tcp" ? notForPages(served) : served,
    });
  } catch (thrown) {
    await cache[Symbol.asyncDispose]();
    throw thrown;
  }
  const opened = server;
  return {
    url: opened.url,
    close: async (graceMs) => {
      stopping.abort();
      await opened.close(graceMs);
      await cache[Symbol.asyncDispose]();
    },
  };
}

/**
 * Without tokens, pages of the web that a browser on this machine shows must not get at the store: what names another host than this one (a name that was made to lead
 * here), or comes from a page of another, is refused.
 */
function notForPages(handler: NodeHandler): NodeHandler {
  return (request, response) => {
    const { headers } = request;
    const host = headers.host ?? (headers[":authority"] as string | undefined);
    const isOurs = (place: string | undefined) => {
      const name = URL.parse(place ?? "")?.hostname;
      return (
        name !== undefined &&
        (name === "localhost" || isPrivate({ kind: "tcp", host: name.replace(/^\[|\]$/g, ""), port: 0 }))
      );
    };
    const isRefused = !isOurs(`http://${host}`) || (headers.origin !== undefined && !isOurs(headers.origin));
    if (!isRefused) return handler(request, response);
    answer(
      response as ServerResponse,
      403,
      "this server is for programs of this machine: start it with --tokens to use it from elsewhere\n",
    );
  };
}

/** Health tells nothing of the store, and those who ask for it often have no token. */
function isOpenToAll({ method }: RpcHandler): boolean {
  return method.path.startsWith("/grpc.health.v1.Health/");
}

function answer(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(response.req.method === "HEAD" ? undefined : text);
}

function refuse(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  const isUnknown = thrown instanceof ProtocolError && thrown.code === "unauthenticated";
  if (isUnknown) response.setHeader("www-authenticate", 'Basic realm="firn"');
  if (!request.complete) response.setHeader("connection", "close");
  answer(response, isUnknown ? 401 : 403, `${(thrown as Error).message}\n`);
}

function gauges(server: HttpServer | undefined, { liars = new Set() }: OpenedStore): Record<string, Gauge> {
  const { user, system } = process.cpuUsage();
  return {
    firn_connections: [server?.connections ?? 0, "Connections that are open."],
    firn_peer_lies_total: [
      [...liars].map((peer) => [{ peer }, 1]),
      "Peers of the store that sent what was not asked for, and are not asked any more.",
      "counter",
    ],
    process_resident_memory_bytes: [process.memoryUsage.rss(), "Memory in use."],
    process_cpu_seconds_total: [(user + system) / 1e6, "CPU time taken.", "counter"],
  };
}
