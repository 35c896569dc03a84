/*
A cache by HTTP. Every request names its host's credentials and no others: they are looked up anew for each place a redirect leads to. What can be asked
again is, after a pause that doubles; a body that broke off is asked for from where it broke, and only if it is still the same one.
*/

import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import { bytesOf, type ByteStream, collectBytes, connectionFailure, FirnError, throwIfAborted } from "@firn/base";
import { type CallOptions, type Interceptor, type RetryOptions, repeatable, retrying } from "@firn/castore";
import { decompress, parseCompression } from "@firn/compression";
import { createHasher, toHex } from "@firn/hash";
import { type CacheContent, type CacheFiles, checkCacheName } from "./cache-files.ts";
import { HttpCacheError, type HttpCacheErrorCode } from "./error.ts";
import type { Credentials } from "./netrc.ts";
import { shownAddress } from "./shown-address.ts";

export type HttpFilesOptions = {
  /** For a host without its port. Never asked for a host that is not about to be spoken to. */
  readonly credentials?: (host: string) => Credentials | undefined;
  /** `HTTP_PROXY` and the like, as Node reads them; absent: no proxies. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
  /** Longest time to a connection, 15 seconds when not said. */
  readonly connectMs?: number;
  /** Longest time without a byte, 5 minutes when not said. */
  readonly stallMs?: number;
  readonly retry?: RetryOptions;
};

/** As C++ Nix. */
const CONNECTIONS_MAX = 25;
const CONNECT_MS = 15_000;
const STALL_MS = 300_000;
const REDIRECTS_MAX = 10;
/** How much of an error's text is read. */
const EXPLANATION_BYTES_MAX = 4096;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** 403 is what object stores answer for what is not there. */
const ABSENT = new Set([403, 404, 410]);
const MAY_PASS = new Set([408, 425, 429, 500, 502, 503, 504, 507, 509]);

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: IncomingMessage };

export class HttpFiles implements CacheFiles, Disposable {
  readonly label: string;
  readonly identity: string;
  readonly #root: URL;
  readonly #options: HttpFilesOptions;
  readonly #retry: Interceptor;
  readonly #agents: { readonly "http:": Agent; readonly "https:": TlsAgent };

  /** The address may hold credentials of its own, for itself alone. */
  constructor(url: string, options: HttpFilesOptions = {}) {
    this.#root = new URL(url);
    if (!this.#root.pathname.endsWith("/")) this.#root.pathname += "/";
    this.label = shownAddress(this.#root).replace(/\/$/, "");
    const { search } = this.#root;
    const query = search === "" ? "" : `?${toHex(createHasher("sha256").update(bytesOf(search)).digest())}`;
    this.identity = `${this.label}${query}`;
    this.#options = options;
    this.#retry = retrying(options.retry);
    const settings = { keepAlive: true, maxSockets: CONNECTIONS_MAX, proxyEnv: options.proxyEnv as NodeJS.ProcessEnv };
    this.#agents = { "http:": new Agent(settings), "https:": new TlsAgent(settings) };
  }

  async read(name: string, bytesMax: number, options?: CallOptions): Promise<Uint8Array | undefined> {
    const url = this.#urlOf(name);
    return await this.#retry.call(repeatable("read", options, name), async () => {
      const answer = await this.#ask("GET", url, { "accept-encoding": "zstd, br, gzip" }, options?.signal);
      if (ABSENT.has(answer.status)) {
        answer.body.resume();
        return undefined;
      }
      await this.#expect(answer, [200], url);
      const tooLong = () => new HttpCacheError("limit", `${shownAddress(url)} has more than ${bytesMax} bytes`);
      return await collectBytes(this.#bodyOf(answer, url, options?.signal), bytesMax, tooLong);
    });
  }

  stream(name: string, options?: CallOptions): ByteStream {
    const url = this.#urlOf(name);
    let came = 0;
    let etag: string | undefined;
    let isEncoded = false;
    const bodyFrom = async function* (this: HttpFiles): ByteStream {
      const headers: Record<string, string> = { "accept-encoding": "identity" };
      if (came > 0 && !isEncoded) headers.range = `bytes=${came}-`;
      if (came > 0 && etag !== undefined) headers["if-range"] = etag;
      const answer = await this.#ask("GET", url, headers, options?.signal);
      await this.#expect(answer, headers.range === undefined ? [200] : [200, 206], url);
      const { etag: tag, "content-range": range } = answer.headers;
      const give = (code: HttpCacheErrorCode, what: string): never => {
        answer.body.destroy();
        throw new HttpCacheError(code, `${shownAddress(url)} ${what}`);
      };
      if (came > 0 && tag !== etag) give("failed", "changed while it was read");
      etag = tag;
      isEncoded = (answer.headers["content-encoding"] ?? "identity") !== "identity";
      let skip = answer.status === 206 ? 0 : came;
      if (answer.status === 206 && !range?.startsWith(`bytes ${came}-`))
        give("malformed", `was there up to ${came} bytes, and goes on with '${range}'`);
      for await (const chunk of this.#bodyOf(answer, url, options?.signal)) {
        const fresh = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - fresh.length;
        if (fresh.length === 0) continue;
        came += fresh.length;
        yield fresh;
      }
      if (skip > 0) throw new HttpCacheError("failed", `${shownAddress(url)} is shorter than it was`);
    };
    return this.#retry.stream(
      repeatable("stream", options, name),
      () => bodyFrom.call(this),
      (chunk) => chunk.length,
    );
  }

  async has(name: string, options?: CallOptions): Promise<boolean> {
    const url = this.#urlOf(name);
    return await this.#retry.call(repeatable("has", options, name), async () => {
      const answer = await this.#ask("HEAD", url, {}, options?.signal);
      if (ABSENT.has(answer.status)) {
        answer.body.resume();
        return false;
      }
      await this.#expect(answer, [200], url);
      answer.body.resume();
      return true;
    });
  }

  async write(name: string, type: string, content: CacheContent, options?: CallOptions): Promise<void> {
    const url = this.#urlOf(name);
    await this.#retry.call(repeatable("write", options, name), async () => {
      const headers = { "content-type": type, "content-length": String(content.bytes) };
      const answer = await this.#ask("PUT", url, headers, options?.signal, content);
      await this.#expect(answer, [200, 201, 202, 204], url);
      answer.body.resume();
    });
  }

  [Symbol.dispose](): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  /** Names may be addresses of their own, elsewhere. */
  #urlOf(name: string): URL {
    if (/^[a-z][a-z0-9+.-]*:/i.test(name)) return ledTo(this.#root, name);
    checkCacheName(decoded(name.split("?")[0]));
    const url = new URL(`./${name}`, this.#root);
    for (const [key, value] of this.#root.searchParams)
      if (!url.searchParams.has(key)) url.searchParams.set(key, value);
    return url;
  }

  /** Asks, following redirects. Throws `unreachable`. */
  async #ask(
    method: string,
    first: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
    content?: CacheContent,
  ): Promise<Answer> {
    let url = first;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#askOnce(method, url, headers, signal, content);
      const { location } = answer.headers;
      if (!REDIRECTS.has(answer.status) || location === undefined) return answer;
      answer.body.resume();
      if (redirects === REDIRECTS_MAX || content !== undefined)
        throw new HttpCacheError("failed", `${shownAddress(first)} leads on and on, or elsewhere with what is written`);
      url = ledTo(url, location);
    }
  }

  async #askOnce(
    method: string,
    url: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
    content: CacheContent | undefined,
  ): Promise<Answer> {
    throwIfAborted(signal);
    const { connectMs = CONNECT_MS, stallMs = STALL_MS } = this.#options;
    const credentials = this.#credentialsFor(url);
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)({
      agent: this.#agents[url.protocol as "http:" | "https:"],
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      path: url.pathname + url.search,
      method,
      headers: { "user-agent": "firn", ...headers },
      ...(credentials === undefined ? {} : { auth: `${credentials.login}:${credentials.password}` }),
      ...(signal === undefined ? {} : { signal }),
    });
    const give = (why: string) => request.destroy(new Error(why));
    let timer: NodeJS.Timeout | undefined;
    request.on("socket", (socket) => {
      if (!socket.connecting) return;
      timer = setTimeout(() => give(`no connection after ${connectMs} ms`), connectMs);
      socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => clearTimeout(timer));
    });
    request.setTimeout(stallMs, () => give(`nothing came for ${stallMs} ms`));
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.on("response", resolve).on("error", reject);
    });
    answered.catch(() => undefined);
    let unwritten: unknown;
    try {
      if (content === undefined) request.end();
      else
        await Promise.race([pipeline(content.stream(), request), answered]).catch((thrown: unknown) => {
          unwritten = thrown;
        });
      const body = await answered;
      return { status: body.statusCode as number, headers: body.headers, body };
    } catch (thrown) {
      throwIfAborted(signal);
      if (unwritten instanceof FirnError) throw unwritten; // what was to be written could not be read
      throw unreachable(url, thrown);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Those in the cache's own address are for its own host. */
  #credentialsFor({ username, password, origin, hostname }: URL): Credentials | undefined {
    const own = origin === this.#root.origin ? this.#root : { username, password };
    if (own.username !== "")
      return { login: decodeURIComponent(own.username), password: decodeURIComponent(own.password) };
    return this.#options.credentials?.(hostname);
  }

  /** Throws what another status than these says. */
  async #expect({ status, headers, body }: Answer, expected: readonly number[], url: URL): Promise<void> {
    if (expected.includes(status)) return;
    const place = shownAddress(url);
    if (status === 401 || status === 407) {
      body.resume();
      throw new HttpCacheError("refused", `${place} wants credentials that were not given, or others (${status})`);
    }
    const isText = /^text\/plain/.test(headers["content-type"] ?? "");
    const said = isText ? await explanation(body) : void body.resume();
    throw new HttpCacheError("failed", `${place} answered ${status}${said ? `: ${said}` : ""}`, {
      retryable: MAY_PASS.has(status),
    });
  }

  /** The bytes without what was done to them for the way. Throws `unreachable` when they end in the middle. */
  async *#bodyOf({ headers, body }: Answer, url: URL, signal: AbortSignal | undefined): ByteStream {
    const encoding = parseCompression(headers["content-encoding"] ?? "");
    const received = async function* (): ByteStream {
      try {
        yield* body as AsyncIterable<Uint8Array>;
      } catch (thrown) {
        throwIfAborted(signal);
        throw unreachable(url, thrown);
      }
    };
    yield* encoding === "none" ? received() : decompress(received(), encoding, signal);
  }
}

/** Where an address of others leads, as seen from `base`. Throws `unsupported` unless that is HTTP, and as safe: credentials may go there. */
function ledTo(base: URL, address: string): URL {
  const url = URL.parse(address, base);
  const from = shownAddress(base);
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    throw new HttpCacheError("unsupported", `${from} leads to '${shownAddress(address)}', which is not HTTP`);
  if (base.protocol === "https:" && url.protocol === "http:")
    throw new HttpCacheError("unsupported", `${from} leads from HTTPS to plain HTTP`);
  return url;
}

async function explanation(body: IncomingMessage): Promise<string> {
  let text = "";
  try {
    for await (const chunk of body) {
      text += (chunk as Buffer).toString("utf8");
      if (text.length > EXPLANATION_BYTES_MAX) break;
    }
  } catch {
    // The status says enough.
  }
  return text
    .slice(0, 300)
    .replace(/[^ -~]+/g, " ")
    .trim();
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function unreachable(url: URL, thrown: unknown): HttpCacheError {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  const isFinal = code !== undefined && /CERT|SIGNATURE|SELF_SIGNED|ERR_TLS/.test(code);
  return new HttpCacheError("unreachable", `${url.origin} cannot be reached: ${connectionFailure(thrown)}`, {
    cause: thrown,
    retryable: !isFinal,
  });
}
