/*
Files of a web server: whole, or from one byte to another. Connections are kept and shared; what may pass is marked as such, and trying again is `retry`'s in a
composition. It knows nothing of what the files hold.
*/

import { Agent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as SecureAgent, request as requestHttps } from "node:https";
import { type ByteStream, collectBytes, connectionFailure, streamOf, throwIfAborted } from "@firn/base";
import { CastoreError } from "@firn/castore";

const CONNECTIONS_MAX = 32;
/** Longest silence of a server. */
const SILENCE_MS = 60_000;

/** What statuses mean whose number does not say what to do. */
const REFUSALS: Readonly<Record<number, string>> = {
  401: "a token is needed, or another one (token_file=FILE in its URL, or in a composition, sends one),",
};

export type FileRange = { readonly from: number; readonly to: number };

export type OpenedFile = {
  /** Length of the whole file in bytes. */
  readonly size: number;
  /** Whether `body` is all of it, whatever range was asked for. */
  readonly isWhole: boolean;
  readonly body: ByteStream;
  /** Lets go of a body that is not read. */
  readonly close: () => void;
};

export type StaticFilesOptions = {
  /** Sent as `authorization: Bearer …`. */
  readonly token?: string;
  /** Certificates to trust instead of the usual ones, PEM. */
  readonly ca?: string;
  /** Told of each request that is made. */
  readonly onRequest?: (method: string, name: string) => void;
};

export class StaticFiles implements AsyncDisposable {
  readonly label: string;
  readonly #base: URL;
  readonly #options: StaticFilesOptions;
  readonly #agent: Agent;

  /** `base` is where the layout's root is. Throws `composition` when it is no URL of HTTP. */
  constructor(base: string, options: StaticFilesOptions = {}) {
    const url = URL.parse(base.endsWith("/") ? base : `${base}/`);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "")
      throw new CastoreError(
        "composition",
        `'${base.slice(0, 200)}' is no place of a static store: expected http(s)://HOST/PATH`,
      );
    this.#base = url;
    this.label = `castore+${url.href.replace(/\/$/, "")}`;
    this.#options = options;
    const limits = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
    this.#agent = url.protocol === "https:" ? new SecureAgent({ ...limits, ca: options.ca }) : new Agent(limits);
  }

  /** Whether the file is there. */
  async has(name: string, signal?: AbortSignal): Promise<boolean> {
    const response = await this.#request("HEAD", name, undefined, signal);
    response.resume();
    return response.statusCode !== 404;
  }

  /** The file, or undefined when there is none. The caller reads the body or closes it. */
  async open(name: string, range?: FileRange, signal?: AbortSignal): Promise<OpenedFile | undefined> {
    const response = await this.#request("GET", name, range, signal);
    if (response.statusCode === 404) {
      response.resume();
      return undefined;
    }
    const close = () => response.destroy();
    if (response.statusCode === 416) {
      // Of a file without a byte no range can be had.
      response.resume();
      return { size: 0, isWhole: true, body: streamOf(new Uint8Array()), close };
    }
    const sizeText =
      response.statusCode === 206
        ? /^bytes [0-9]+-[0-9]+\/([0-9]{1,15})$/.exec(response.headers["content-range"] ?? "")?.[1]
        : response.headers["content-length"];
    if (sizeText === undefined || !/^[0-9]{1,15}$/.test(sizeText)) {
      // Trees are sent while they are made, so their length is not known.
      return { size: Number.NaN, isWhole: true, body: this.#body(response, name, signal), close };
    }
    return {
      size: Number(sizeText),
      isWhole: response.statusCode !== 206,
      body: this.#body(response, name, signal),
      close,
    };
  }

  /** All of a file that has at most `bytesMax` bytes. */
  async read(name: string, bytesMax: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const file = await this.open(name, undefined, signal);
    const tooLong = () => new CastoreError("limit", `${this.label}: ${name} is longer than ${bytesMax} bytes`);
    return file && (await collectBytes(file.body, bytesMax, tooLong));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
  }

  async *#body(response: IncomingMessage, name: string, signal: AbortSignal | undefined): ByteStream {
    try {
      for await (const bytes of response) yield new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (thrown) {
      throwIfAborted(signal);
      throw this.#failed(name, thrown);
    }
  }

  #request(
    method: "GET" | "HEAD",
    name: string,
    range: FileRange | undefined,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    throwIfAborted(signal);
    const { token, onRequest } = this.#options;
    onRequest?.(method, name);
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (range !== undefined) headers.range = `bytes=${range.from}-${range.to - 1}`;
    const start = this.#base.protocol === "https:" ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const request = start(new URL(name, this.#base), { method, headers, agent: this.#agent, signal });
      request.setTimeout(SILENCE_MS, () => request.destroy(new Error(`nothing came for ${SILENCE_MS / 1000} seconds`)));
      request.on("error", (thrown) => reject(signal?.aborted ? signal.reason : this.#failed(name, thrown)));
      request.on("response", (response) => {
        const { statusCode = 0 } = response;
        const isEmpty = statusCode === 416 && response.headers["content-range"] === "bytes */0";
        if (statusCode === 200 || statusCode === 206 || statusCode === 404 || isEmpty) return resolve(response);
        response.resume();
        const retryable = statusCode >= 500 || statusCode === 429;
        const message = `${this.label}: ${REFUSALS[statusCode] ?? `HTTP status ${statusCode}`} for ${name}`;
        reject(new CastoreError("storage", message, { retryable, context: { status: statusCode } }));
      });
      request.end();
    });
  }

  #failed(name: string, thrown: unknown): CastoreError {
    return new CastoreError("storage", `${this.label}: ${name}: ${connectionFailure(thrown)}`, {
      cause: thrown,
      retryable: true,
    });
  }
}
