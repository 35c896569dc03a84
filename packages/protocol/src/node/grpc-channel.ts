/*
The client's side of gRPC on HTTP/2, over TCP, TLS or a unix socket. One connection carries all calls; it is made when a call needs it, and again when it
was lost. Trying a call again is not done here, that is `retry`'s in a composition.
*/

import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import { connect as connectSocket } from "node:net";
import { connectionFailure } from "@firn/base";
import { ProtocolError } from "../error.ts";
import type { Channel, ClientCall, RpcOptions } from "../rpc.ts";
import { errorOfStatus, type SentStatus } from "../status.ts";
import { statusOfTrailers } from "./grpc-server.ts";
import { MessageReader, writeMessage } from "./message-stream.ts";

/** What a connection may have under way without being confirmed, in bytes: bandwidth times delay of a fast long line. */
export const WINDOW_BYTES = 16 * 1024 * 1024;
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024;
export const FRAME_BYTES_MAX = 1024 * 1024;
export const HTTP2_SETTINGS = { initialWindowSize: STREAM_WINDOW_BYTES, maxFrameSize: FRAME_BYTES_MAX } as const;

export type GrpcTarget =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly isSecure: boolean }
  | { readonly kind: "unix"; readonly path: string };

export type GrpcChannelOptions = {
  /** Sent with every call as `authorization: Bearer …`. */
  readonly token?: string;
  /** Longest message that is accepted, in bytes. */
  readonly messageBytesMax?: number;
  /** Certificates to trust instead of the usual ones, PEM. */
  readonly ca?: string;
};

/** A Directory may have 64 MiB. */
const MESSAGE_BYTES_MAX = 65 * 1024 * 1024;

/** What ended a session, which its streams are not told in every case. */
const failures = new WeakMap<ClientHttp2Session, unknown>();

export class GrpcChannel implements Channel {
  readonly label: string;
  readonly #target: GrpcTarget;
  readonly #options: GrpcChannelOptions;
  #session: ClientHttp2Session | undefined;
  #isClosed = false;

  constructor(target: GrpcTarget, options: GrpcChannelOptions = {}) {
    this.#target = target;
    this.#options = options;
    this.label =
      target.kind === "unix"
        ? `grpc+unix:${target.path}`
        : `grpc+http${target.isSecure ? "s" : ""}://${authorityOf(target)}`;
  }

  call(path: string, options: RpcOptions = {}): ClientCall {
    if (this.#isClosed) throw new ProtocolError("cancelled", `the connection to ${this.label} is closed`);
    const { token, messageBytesMax = MESSAGE_BYTES_MAX } = this.#options;
    const headers = {
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...options.metadata,
    };
    let stream: ClientHttp2Stream;
    try {
      stream = this.#open().request(headers);
    } catch (thrown) {
      throw unavailable(this.label, thrown);
    }
    return new Http2ClientCall(stream, this.label, messageBytesMax, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined || session.destroyed) return;
    await new Promise<void>((resolve) => {
      session.once("close", resolve);
      session.destroy();
    });
  }

  #open(): ClientHttp2Session {
    const open = this.#session;
    if (open !== undefined && !open.destroyed && !open.closed) return open;
    const target = this.#target;
    const session =
      target.kind === "unix"
        ? connect("http://localhost", { settings: HTTP2_SETTINGS, createConnection: () => connectSocket(target.path) })
        : connect(`${target.isSecure ? "https" : "http"}://${authorityOf(target)}`, {
            settings: HTTP2_SETTINGS,
            ca: this.#options.ca,
          });
    session.on("error", (thrown) => {
      failures.set(session, thrown);
    });
    session.once("connect", (_, socket) => {
      if (session.destroyed) return; // closed while it was being made
      session.setLocalWindowSize(WINDOW_BYTES);
      if ("setNoDelay" in socket) socket.setNoDelay(true);
    });
    this.#session = session;
    return session;
  }
}

/** Host and port as they stand in a URL. */
export function authorityOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function unavailable(label: string, thrown: unknown): ProtocolError {
  // A stream says that it was cancelled, and behind that, why.
  const reason = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  const how = reason === undefined ? "the connection was lost" : connectionFailure(reason);
  return new ProtocolError("unavailable", `${label}: ${how}`, { cause: thrown, retryable: true });
}

class Http2ClientCall implements ClientCall {
  readonly #stream: ClientHttp2Stream;
  readonly #reader: MessageReader;
  readonly #label: string;
  /** Kept here: a stream that was closed does not know it any more. */
  readonly #session: ClientHttp2Session;
  #signal: AbortSignal | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  #httpStatus: number | undefined;
  #thrown: unknown;
  #isSettled = false;

  constructor(stream: ClientHttp2Stream, label: string, messageBytesMax: number, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#session = stream.session as ClientHttp2Session;
    this.#label = label;
    this.#reader = new MessageReader(stream, messageBytesMax);
    stream.on("response", (headers) => {
      this.#httpStatus = headers[":status"];
      if (headers["grpc-status"] !== undefined) this.#trailers = headers;
    });
    stream.on("trailers", (headers) => {
      this.#trailers = headers;
    });
    stream.on("end", () => {
      if (this.#trailers !== undefined) this.#settle();
    });
    stream.on("error", (thrown) => {
      this.#thrown = thrown;
    });
    stream.on("close", () => this.#settle());
    if (signal === undefined) return;
    this.#signal = signal;
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = () => {
    this.#reader.finish(this.#signal?.reason);
    this.cancel();
  };

  async send(parts: readonly Uint8Array[]): Promise<void> {
    const stream = this.#stream;
    if (!this.#isSettled && !stream.writableEnded && !stream.closed) await writeMessage(stream, parts);
    if (this.#signal?.aborted) throw this.#signal.reason;
    // A server that has answered already reads no more; its answer says why.
    if (this.#isSettled || stream.closed)
      throw new ProtocolError("cancelled", `${this.#label} takes no more of this call`);
  }

  end(): void {
    if (!this.#stream.writableEnded && !this.#stream.destroyed) this.#stream.end();
  }

  receive(): Promise<Uint8Array | undefined> {
    return this.#reader.next();
  }

  cancel(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (this.#isSettled && this.#stream.writableEnded) return;
    // Not close(): that ends the stream properly before it cancels, and what was sent in part would look whole.
    if (!this.#stream.destroyed) this.#stream.destroy(new DOMException("the call was cancelled", "AbortError"));
  }

  #settle(): void {
    this.#isSettled = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#reader.finish(this.#failure());
  }

  #said({ code, message }: SentStatus): string {
    const toDo = REFUSALS[code];
    return toDo === undefined ? message : `${this.#label}: ${message}${toDo}`;
  }

  #failure(): unknown {
    const status = this.#trailers && statusOfTrailers(this.#trailers);
    if (status === "ok") return undefined;
    if (status !== undefined) return errorOfStatus({ ...status, message: this.#said(status) });
    if (this.#httpStatus !== undefined && this.#httpStatus !== 200) {
      return errorOfStatus({
        code: HTTP_CODES[this.#httpStatus] ?? "unknown",
        message: `${this.#label} answered with HTTP status ${this.#httpStatus}: is it a gRPC server?`,
      });
    }
    return unavailable(this.#label, this.#thrown ?? failures.get(this.#session));
  }
}

/** Who comes in is a matter between this server and its user, who hears which one it was, and what to do. */
const REFUSALS: Partial<Record<ProtocolError["code"], string>> = {
  unauthenticated: " (token_file=FILE in its URL, or in a composition, sends one)",
  "permission-denied": "",
};

/** As gRPC's document on HTTP statuses has it. */
const HTTP_CODES: Readonly<Record<number, ProtocolError["code"]>> = {
  400: "internal",
  401: "unauthenticated",
  403: "permission-denied",
  404: "unimplemented",
  429: "unavailable",
  502: "unavailable",
  503: "unavailable",
  504: "unavailable",
};
