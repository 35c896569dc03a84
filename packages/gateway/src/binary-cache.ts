/*
A store as a binary cache, the way C++ Nix reads and writes one over HTTP:

    GET      nix-cache-info
    GET PUT  <hash part>.narinfo          what a path is, signed with our keys as well
    GET PUT  <hash part>.ls               what its NAR holds; made here, so one that comes is not looked at
    GET      nar/snix-castore/<node>      the NAR of any tree whose digest one knows, in ranges too (Tvix' address as well)
    PUT HEAD nar/<file hash>.nar.<…>      a NAR on its way in
    GET PUT  debuginfo/<build id>.debug          in which NAR debug information is; found here, so one that comes is not looked at
    GET PUT  log/<name>.drv
    GET PUT  build-trace-v2/<name>.drv/<output>.doi
    GET PUT  realisations/<hash>!<output>.doi     the same for C++ Nix before 2.35

It knows nothing of who may do what: a server in front of it lets PUT through or not.
*/

import type { IncomingMessage, ServerResponse } from "node:http";
import { byteStringOf, type ByteStream, collectBytes } from "@firn/base";
import type { CallOptions, LeaseService } from "@firn/castore";
import { decompress, parseCompression } from "@firn/compression";
import {
  checkOutputName,
  DEFAULT_STORE_DIR,
  HASHED_REALISATION_BYTES_MAX,
  hashedRealisationFingerprint,
  NAR_INFO_BYTES_MAX,
  parseHashedRealisation,
  parseNarInfo,
  parseStorePath,
  printNixCacheInfo,
  type SecretKey,
  splitHashedName,
  type StorePath,
} from "@firn/nix-compat";
import {
  BUILD_TRACE_BYTES_MAX,
  NAR_BYTES_MAX,
  narListing,
  parseBuildTraceEntry,
  parseCastoreNarPath,
  printBuildTraceEntry,
  printCastoreNarPath,
  printDebugInfo,
  type RealisationService,
  signRealisation,
  type StoreServices,
  type TrustedKeys,
} from "@firn/store";
import { type AnswerOptions, answering, sendBytes, sendStream, sendText } from "./answer.ts";
import type { BuildLogs } from "./build-logs.ts";
import { DebugInfoIndex } from "./debug-info-index.ts";
import { GatewayError } from "./error.ts";
import { HashedRealisations } from "./hashed-realisations.ts";
import { discard, limited, tooLarge } from "./limited.ts";
import { NarDownload } from "./nar-download.ts";
import { type NarInfoPage, NarInfoPages } from "./nar-info-pages.ts";
import { NarUploads } from "./nar-uploads.ts";

export type BinaryCacheParts = StoreServices & {
  readonly realisations?: RealisationService;
  readonly logs?: BuildLogs;
  /** Holds what was uploaded until it is registered; absent where nothing is ever deleted. */
  readonly leases?: LeaseService;
  /** Whether PUT is answered at all. */
  readonly isWritable: boolean;
  /** Whose signatures uploads need that do not follow from their contents; absent: none are asked for. */
  readonly trusted?: TrustedKeys;
  /** What is served is signed with these. */
  readonly keys?: readonly SecretKey[];
  /** /nix/store when not said. */
  readonly storeDir?: string;
  /** Lower is asked first; 40 when not said. */
  readonly priority?: number;
  /** Longest NAR that is taken, unpacked, in bytes. */
  readonly narBytesMax?: number;
  /** Longest log that is taken, unpacked, in bytes. */
  readonly logBytesMax?: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Hears of failures that are not the peer's fault. */
  readonly report: (thrown: unknown) => void;
};

const PRIORITY = 40;
const LOG_BYTES_MAX = 1024 * 1024 * 1024;
const LISTING_BYTES_MAX = 256 * 1024 * 1024;
const DEBUG_INFO_BYTES_MAX = 16 * 1024;
const HASH_PART = /^\/([0-9a-z]{32})\.(narinfo|ls)$/;

export class BinaryCache implements AsyncDisposable {
  readonly #parts: BinaryCacheParts;
  readonly #storeDir: string;
  readonly #about: string;
  readonly #pages: NarInfoPages;
  readonly #download: NarDownload;
  readonly #uploads: NarUploads;
  readonly #hashed: HashedRealisations | undefined;
  readonly #debugInfo: DebugInfoIndex;

  constructor(parts: BinaryCacheParts) {
    const { pathInfos, keys = [], storeDir = DEFAULT_STORE_DIR, now, priority = PRIORITY } = parts;
    this.#parts = parts;
    this.#storeDir = storeDir;
    this.#about = printNixCacheInfo({ storeDir, wantMassQuery: true, priority });
    this.#pages = new NarInfoPages({ pathInfos, keys, storeDir, now });
    this.#download = new NarDownload(parts);
    this.#debugInfo = new DebugInfoIndex(parts);
    const { leases, trusted, realisations, narBytesMax = NAR_BYTES_MAX } = parts;
    if (realisations !== undefined)
      this.#hashed = new HashedRealisations({ ...parts, realisations, keys, storeDir, now });
    this.#uploads = new NarUploads({ ...parts, leases, trusted, storeDir, narBytesMax });
  }

  /** Whether requests for this address are answered here. */
  owns(url: string): boolean {
    const [, hashPart, kind] = HASH_PART.exec(url) ?? [];
    return this.#routeOf(url, hashPart, kind) !== undefined;
  }

  /** Answers a request that is one for a binary cache; false, and nothing done, for any other. Failures are answers. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const { method } = request;
    const path = request.url ?? "/";
    const [, hashPart, kind] = HASH_PART.exec(path) ?? [];
    // What is asked for most often takes no detour.
    if (kind === "narinfo" && (method === "GET" || method === "HEAD")) {
      const page = this.#pages.remembered(hashPart);
      if (page !== undefined) {
        sendNarInfo(request, response, page);
        return true;
      }
    }
    const route = this.#routeOf(path, hashPart, kind);
    if (route === undefined) return false;
    void answering(request, response, this.#parts.report, (options) => this.#answer(route, request, response, options));
    return true;
  }

  /** Lets go of what came in and was not registered. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#uploads[Symbol.asyncDispose]();
  }

  #routeOf(path: string, hashPart: string, kind: string): Route | undefined {
    if (path === "/nix-cache-info")
      return { get: async (_, response) => sendBytes(response, 200, "text/x-nix-cache-info", this.#about) };
    if (kind === "narinfo") return this.#narInfoRoute(hashPart);
    if (kind === "ls") return this.#listingRoute(hashPart);
    if (path.startsWith("/nar/")) return this.#narRoute(path.slice(1));
    if (path.startsWith("/debuginfo/")) return this.#debugInfoRoute(path.slice("/debuginfo/".length));
    if (path.startsWith("/log/")) return this.#logRoute(path.slice("/log/".length));
    if (path.startsWith("/build-trace-v2/")) return this.#traceRoute(path.slice("/build-trace-v2/".length));
    if (path.startsWith("/realisations/")) return this.#realisationRoute(path.slice("/realisations/".length));
    return undefined;
  }

  async #answer(
    route: Route,
    request: IncomingMessage,
    response: ServerResponse,
    options: AnswerOptions,
  ): Promise<void> {
    const { method } = request;
    if (method === "GET" || method === "HEAD") {
      if (route.get === undefined) throw new GatewayError("not-found", "nothing is here");
      await route.get(request, response, options);
    } else if (method === "PUT" && route.put !== undefined) {
      if (!this.#parts.isWritable) throw new GatewayError("forbidden", "this cache takes nothing in");
      await route.put(bodyOf(request, options.signal), options);
      sendText(response, 200, "stored");
    } else throw new GatewayError("method", `${method} is not done here`);
  }

  #narInfoRoute(hashPart: string): Route {
    return {
      get: async (request, response, options) => {
        const page = await this.#pages.get(hashPart, options);
        if (page === undefined) throw new GatewayError("not-found", `no path with the hash part ${hashPart} is here`);
        sendNarInfo(request, response, page);
      },
      put: async (body, options) => {
        const narInfo = parseNarInfo(await textOf(body, NAR_INFO_BYTES_MAX), this.#storeDir);
        if (narInfo.path.hashPart !== hashPart)
          throw new GatewayError("bad-request", `the narinfo is one of ${narInfo.path}, which has another hash part`);
        await this.#uploads.takeNarInfo(narInfo, options);
        this.#pages.forget(hashPart);
      },
    };
  }

  #listingRoute(hashPart: string): Route {
    return {
      get: async (_, response, options) => {
        const info = await this.#parts.pathInfos.get(hashPart, options);
        if (info === undefined) throw new GatewayError("not-found", `no path with the hash part ${hashPart} is here`);
        const listing = () => narListing(info.node, this.#parts.directories, options);
        await sendStream(response, 200, { "content-type": "application/json" }, listing);
      },
      put: (body) => discard(limited(body, LISTING_BYTES_MAX)),
    };
  }

  #narRoute(path: string): Route {
    const nar = attempt(() => parseCastoreNarPath(path));
    if (nar !== undefined)
      return { get: (request, response, options) => this.#download.answer(request, response, nar, options) };
    const name = path.slice("nar/".length);
    return {
      get: async (request, response) => {
        if (request.method !== "HEAD" || !this.#uploads.has(name))
          throw new GatewayError("not-found", "NARs are had under the address that a narinfo gives");
        sendBytes(response, 200, "application/x-nix-nar", "");
      },
      put: (body, options) => this.#uploads.takeNar(name, body, options),
    };
  }

  #debugInfoRoute(name: string): Route {
    const [, buildId] = /^([0-9a-f]{40})(?:\.debug)?$/.exec(name) ?? [];
    if (buildId === undefined) return {};
    return {
      get: async (_, response, options) => {
        const found = await this.#debugInfo.find(buildId, options);
        const url = found && printCastoreNarPath(found.info);
        if (found === undefined || url === undefined)
          throw new GatewayError("not-found", `no debug information of ${buildId} is here`);
        sendBytes(response, 200, "application/json", printDebugInfo(found, url));
      },
      put: (body) => discard(limited(body, DEBUG_INFO_BYTES_MAX)),
    };
  }

  #logRoute(name: string): Route {
    const { logs, logBytesMax = LOG_BYTES_MAX } = this.#parts;
    const drvPath = attempt(() => derivationOf(name));
    if (logs === undefined || drvPath === undefined) return {};
    return {
      get: async (_, response, options) => {
        const log = await logs.get(drvPath, options);
        if (log === undefined) throw new GatewayError("not-found", `no log of ${drvPath} is here`);
        await sendStream(response, 200, { "content-type": "text/plain; charset=utf-8" }, () => log);
      },
      put: logs.put && ((body, options) => logs.put?.(drvPath, limited(body, logBytesMax), options) as Promise<void>),
    };
  }

  #traceRoute(name: string): Route {
    const { realisations } = this.#parts;
    const [, drvName, output] = /^([^/]+)\/([^/]+)\.doi$/.exec(attempt(() => decodeURIComponent(name)) ?? "") ?? [];
    const drvPath = output === undefined ? undefined : attempt(() => derivationOf(drvName));
    if (realisations === undefined || drvPath === undefined) return {};
    return {
      get: async (_, response, options) => {
        checkOutputName(output);
        const realisation = await realisations.get(drvPath, output, options);
        // What it came out as may have been deleted since.
        if (realisation === undefined || !(await this.#isRegistered(realisation.path, options)))
          throw new GatewayError("not-found", `what ${drvPath}^${output} came out as is not known here`);
        const signed = await signRealisation(realisation, this.#parts.keys ?? []);
        sendBytes(response, 200, "application/json", printBuildTraceEntry(signed));
      },
      put: async (body, options) => {
        const realisation = parseBuildTraceEntry(await textOf(body, BUILD_TRACE_BYTES_MAX), drvPath, output);
        const isVouchedFor = await this.#parts.trusted?.vouchFor(realisation);
        await this.#checkRealised(`${drvPath}^${output}`, realisation.path, isVouchedFor, options);
        await realisations.put([realisation], options);
      },
    };
  }

  #realisationRoute(file: string): Route {
    const [, name = ""] = /^(.*)\.doi$/.exec(attempt(() => decodeURIComponent(file)) ?? "") ?? [];
    const hashed = this.#hashed;
    if (hashed === undefined || splitHashedName(name) === undefined) return {};
    return {
      get: async (_, response, options) => {
        const realisation = await hashed.find(name, options);
        if (realisation === undefined || !(await this.#isRegistered(realisation.path, options)))
          throw new GatewayError("not-found", `what ${name} came out as is not known here`);
        sendBytes(response, 200, "application/json", await hashed.print(name, realisation));
      },
      put: async (body, options) => {
        const realisation = parseHashedRealisation(await textOf(body, HASHED_REALISATION_BYTES_MAX));
        const { path, signatures } = realisation;
        if (realisation.name !== name) throw new GatewayError("bad-request", "this is another output's realisation");
        const { trusted } = this.#parts;
        const isVouchedFor = await trusted?.hasSigned(hashedRealisationFingerprint(realisation), signatures);
        await this.#checkRealised(name, path, isVouchedFor, options);
        await hashed.take(name, path, options);
      },
    };
  }

  /** `isVouchedFor` is undefined where nobody's signature is asked for. */
  async #checkRealised(what: string, path: StorePath, isVouchedFor: boolean | undefined, options: CallOptions) {
    if (isVouchedFor === false)
      throw new GatewayError("forbidden", `what ${what} came out as lacks a signature by a key that is trusted here`);
    if (!(await this.#isRegistered(path, options)))
      throw new GatewayError("bad-request", `${path} has to come before what was realised as it`);
  }

  async #isRegistered(path: StorePath, options: CallOptions): Promise<boolean> {
    return (await this.#parts.pathInfos.get(path.hashPart, options))?.path.equals(path) === true;
  }
}

type Route = {
  readonly get?: (request: IncomingMessage, response: ServerResponse, options: CallOptions) => Promise<void>;
  readonly put?: (body: ByteStream, options: CallOptions) => Promise<void>;
};

function sendNarInfo(request: IncomingMessage, response: ServerResponse, { bytes, etag }: NarInfoPage): void {
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304, { etag }).end();
    return;
  }
  response.writeHead(200, { "content-type": "text/x-nix-narinfo", "content-length": bytes.length, etag });
  response.end(request.method === "HEAD" ? undefined : bytes);
}

/** A body without what its `Content-Encoding` did to it. */
function bodyOf(request: IncomingMessage, signal: AbortSignal): ByteStream {
  return decompress(request, parseCompression(request.headers["content-encoding"] ?? ""), signal);
}

async function textOf(body: ByteStream, bytesMax: number): Promise<string> {
  return byteStringOf(await collectBytes(body, bytesMax, () => tooLarge(bytesMax)));
}

function derivationOf(name: string): StorePath | undefined {
  const path = parseStorePath(decodeURIComponent(name));
  return path.isDerivation ? path : undefined;
}

/** undefined for what is not well formed: nothing can be there. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
