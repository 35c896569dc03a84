/*
gRPC on a stream of HTTP/2: deadlines, statuses, cancellation, metadata, flow control. No library's layers: a call costs one stream and what is said
here. What is not `application/grpc` is somebody else's (connect-handler.ts, http-server.ts).
*/

import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { codeOfStatus, ProtocolError, statusOfCode } from "../error.ts";
import type { RpcHandler, ServerCall } from "../rpc.ts";
import { type SentStatus, statusOf } from "../status.ts";
import { MessageReader, writeMessage } from "./message-stream.ts";

const CONTENT_TYPE = "application/grpc+proto";
/** Longest time a deadline may be away, in milliseconds: what a timer can hold. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
/** How long a caller may go on sending after its answer. */
const DEAF_CALLER_MS = 2000;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

export type RpcServerOptions = {
  /** Throws unless the call is allowed: `unauthenticated`, `permission-denied`. */
  readonly authorize?: (handler: RpcHandler, metadata: (name: string) => string | undefined) => void;
  /** Runs each call, for whoever wants to trace it: must run it once, and pass on what it throws. */
  readonly around?: (
    path: string,
    metadata: (name: string) => string | undefined,
    run: () => Promise<void>,
  ) => Promise<void>;
  /** Milliseconds from any beginning, for `onCall`. */
  readonly now?: () => number;
  /** Told when a call ends, with its status and how long it took. */
  readonly onCall?: (path: string, code: string, ms: number) => void;
  /** Told what nobody expected, for the log. */
  readonly onFailure?: (thrown: unknown, path: string) => void;
};

/** Whether a request is gRPC's (and not gRPC-Web's). */
export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return /^application\/grpc(?:$|[+;])/.test(headers["content-type"] ?? "");
}

/** Serves calls of these handlers. */
export class GrpcServer {
  readonly #handlers = new Map<string, RpcHandler>();
  readonly #options: RpcServerOptions;

  constructor(handlers: Iterable<RpcHandler>, options: RpcServerOptions = {}) {
    for (const handler of handlers) this.#handlers.set(handler.method.path, handler);
    this.#options = options;
  }

  /** Answers one stream. Never throws. */
  async serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const startedMs = this.#options.now?.() ?? 0;
    const path = String(headers[":path"]);
    const call = new Http2Call(stream, headers, this.#handlers.get(path)?.method.inputBytesMax ?? 0);
    let status: SentStatus | undefined;
    try {
      const handler = this.#handlers.get(path);
      if (handler === undefined) throw new ProtocolError("unimplemented", `this server has no ${path.slice(0, 200)}`);
      this.#options.authorize?.(handler, (name) => call.metadata(name));
      call.begin();
      await runCall(handler, call, this.#options);
    } catch (thrown) {
      // What fails because the call was given up failed for that reason.
      const reason = call.endedBy ?? thrown;
      status = statusOf(reason);
      if (status.code === "internal") this.#options.onFailure?.(reason, path);
    }
    call.finish(status);
    this.#options.onCall?.(path, status?.code ?? "ok", (this.#options.now?.() ?? 0) - startedMs);
  }
}

/** Runs a handler as the options want it. */
export async function runCall(handler: RpcHandler, call: ServerCall, { around }: RpcServerOptions): Promise<void> {
  if (around === undefined) return handler.run(call);
  await around(
    handler.method.path,
    (name) => call.metadata(name),
    () => handler.run(call),
  );
}

class Http2Call implements ServerCall {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #reader: MessageReader;
  #controller: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasResponded = false;
  #status: SentStatus | undefined;
  /** Why the call ended before it was answered. */
  endedBy: ProtocolError | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, inputBytesMax: number) {
    this.#stream = stream;
    this.#headers = headers;
    this.#reader = new MessageReader(stream, inputBytesMax);
    // A caller that gives up, or is gone, ends the stream too, but closed: what it sent is then not all.
    stream.on("end", () => {
      if (!stream.closed) this.#reader.finish();
    });
    stream.on("error", () => {}); // told by close
    stream.on("close", () => this.#end(new ProtocolError("cancelled", "the caller went away")));
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.endedBy !== undefined) this.#controller.abort(this.endedBy);
    }
    return this.#controller.signal;
  }

  metadata(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Starts the deadline. Throws `invalid-argument` for one that is none. */
  begin(): void {
    const timeout = this.metadata("grpc-timeout");
    if (timeout === undefined) return;
    const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(timeout) ?? [];
    if (count === undefined) throw new ProtocolError("invalid-argument", `grpc-timeout is ${timeout.slice(0, 20)}`);
    const ms = Math.min(Number(count) * UNIT_MS[unit], TIMEOUT_MS_MAX);
    const expire = () => {
      const late = new ProtocolError("deadline-exceeded", `the deadline of ${timeout} passed`);
      this.#end(late);
      this.finish(statusOf(late));
    };
    this.#timer = setTimeout(expire, ms);
  }

  receive(): Promise<Uint8Array | undefined> {
    return this.#reader.next();
  }

  async send(parts: readonly Uint8Array[]): Promise<void> {
    if (this.endedBy !== undefined) throw this.endedBy;
    this.#respond();
    await writeMessage(this.#stream, parts);
    if (this.endedBy !== undefined) throw this.endedBy;
  }

  /** Sends the status, success without one, and ends the stream. Only the first one counts. */
  finish(status: SentStatus | undefined): void {
    clearTimeout(this.#timer);
    const stream = this.#stream;
    if (this.#status !== undefined || stream.destroyed || stream.closed || stream.writableEnded) return;
    if (status !== undefined) this.#status = status;
    if (status !== undefined && !this.#hasResponded) {
      this.#hasResponded = true;
      const head = { ":status": 200, "content-type": CONTENT_TYPE, ...trailersOf(status) };
      stream.respond(head, { endStream: true });
    } else {
      this.#respond();
      stream.end();
    }
    if (stream.readableEnded) return;
    // What else the caller sends is dropped, and if it goes on although it has its answer, it is cut off.
    stream.resume();
    const cutOff = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), DEAF_CALLER_MS);
    stream.once("close", () => clearTimeout(cutOff));
  }

  #respond(): void {
    if (this.#hasResponded || this.#stream.destroyed) return;
    this.#hasResponded = true;
    this.#stream.on("wantTrailers", () => {
      if (!this.#stream.destroyed) this.#stream.sendTrailers(trailersOf(this.#status));
    });
    this.#stream.respond({ ":status": 200, "content-type": CONTENT_TYPE }, { waitForTrailers: true });
  }

  #end(reason: ProtocolError): void {
    clearTimeout(this.#timer);
    if (this.endedBy !== undefined) return;
    this.endedBy = reason;
    this.#reader.finish(reason);
    this.#controller?.abort(reason);
  }
}

/** The status as gRPC's trailers. */
function trailersOf(status: SentStatus | undefined): Record<string, string> {
  if (status === undefined) return { "grpc-status": "0" };
  const { code, message, detail } = status;
  return {
    "grpc-status": String(statusOfCode(code)),
    // As gRPC's document has it: what is not printable ASCII, and the percent sign.
    "grpc-message": message.toWellFormed().replace(/[^ -$&-~]+/g, encodeURIComponent),
    ...(detail === undefined ? {} : { "firn-error": detail }),
  };
}

/** The status in gRPC's trailers; undefined where there is none. */
export function statusOfTrailers(headers: IncomingHttpHeaders): SentStatus | "ok" | undefined {
  const number = headers["grpc-status"];
  if (number === undefined) return undefined;
  if (number === "0") return "ok";
  const detail = headers["firn-error"];
  return {
    code: codeOfStatus(Number(number)),
    message: decodeMessage(String(headers["grpc-message"] ?? "")),
    detail: typeof detail === "string" ? detail : undefined,
  };
}

function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // some servers do not encode
  }
}
