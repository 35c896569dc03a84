/*
Answers over Node's HTTP: short ones whole, streams with back pressure, errors as one line of text. A stream that fails after it began cuts the connection,
since nothing else tells a client that what it has is not all.
*/

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { type ByteStream, giveBack, messageOf } from "@firn/base";
import { rangeOf } from "./byte-range.ts";
import { GatewayError, statusOf } from "./error.ts";

/** How long a peer whose upload was refused may go on sending before it is cut off. */
const LINGER_MS = 5000;

/** Something that never changes under its address. */
export const FOREVER = "max-age=31536000, immutable";

export function sendBytes(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  if (response.req.method === "HEAD") response.end();
  else response.end(body);
}

/** A line for people. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  sendBytes(response, status, "text/plain; charset=utf-8", `${text}\n`);
}

/**
 * Sends a stream as it comes; rejects when it fails, the connection being cut then. Nothing is read for HEAD. `owned` says that the chunks are ours to
 * destroy: their memory is given back as soon as the system has them, not when it is collected, which makes long bodies a third cheaper.
 */
export async function sendStream(
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  stream: () => ByteStream,
  owned?: "owned",
): Promise<void> {
  response.writeHead(status, headers);
  if (response.req.method === "HEAD") return void response.end();
  for await (const chunk of stream()) {
    if (response.destroyed) return;
    const written = owned === undefined ? undefined : (error?: Error | null) => error == null && giveBack(chunk);
    if (!response.write(chunk, written)) await drained(response);
  }
  response.end();
}

/**
 * Sends something of `size` bytes, or the one range of it that is asked for. Nothing is read for HEAD; `stream` yields exactly its range, in chunks that
 * are ours to destroy.
 */
export async function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  size: number,
  headers: OutgoingHttpHeaders & { readonly etag: string },
  stream: (from: number, to: number) => ByteStream,
): Promise<void> {
  const ifRange = request.headers["if-range"];
  const isSame = ifRange === undefined || ifRange === headers.etag;
  const range = isSame ? rangeOf(request.headers.range, size) : undefined;
  const given = { ...headers, "accept-ranges": "bytes" };
  if (range === undefined)
    return await sendStream(response, 200, { ...given, "content-length": size }, () => stream(0, size), "owned");
  const { from, to } = range;
  if (from >= to) {
    response.setHeader("content-range", `bytes */${size}`);
    return sendText(response, 416, `there are ${size} bytes`);
  }
  const more = { "content-length": to - from, "content-range": `bytes ${from}-${to - 1}/${size}` };
  await sendStream(response, 206, { ...given, ...more }, () => stream(from, to), "owned");
}

/** Answers that the peer has it already, when its `If-None-Match` says so. Weak tags match too, as they do for GET (RFC 9110, 13.1.2). */
export function sendNotModified(
  request: IncomingMessage,
  response: ServerResponse,
  headers: OutgoingHttpHeaders & { readonly etag: string },
): boolean {
  const known = request.headers["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known?.some((tag) => tag === headers.etag || tag === "*") !== true) return false;
  response.writeHead(304, headers).end();
  return true;
}

/** The signal fires when the peer goes away before it has the whole answer. */
export type AnswerOptions = { readonly signal: AbortSignal };

/** Runs `work`, which answers; what it throws is an answer, too. Never rejects. `report` hears of failures that are not the peer's fault. */
export async function answering(
  request: IncomingMessage,
  response: ServerResponse,
  report: (thrown: unknown) => void,
  work: (options: AnswerOptions) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  response.on("close", () => {
    if (!response.writableFinished) stop.abort(new GatewayError("bad-request", "the peer went away"));
  });
  try {
    await work({ signal: stop.signal });
  } catch (thrown) {
    sendFailure(request, response, thrown, stop.signal.aborted ? () => undefined : report);
  }
}

/** The peer hears what went wrong, when that is still possible. What is our fault alone is told to `report` and not to him. */
function sendFailure(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  report: (thrown: unknown) => void,
): void {
  const status = statusOf(thrown);
  if (status === 500) report(thrown);
  if (response.headersSent || response.destroyed) return void response.destroy();
  if (!request.complete) {
    response.setHeader("connection", "close");
    const timer = setTimeout(() => request.destroy(), LINGER_MS);
    request.on("close", () => clearTimeout(timer)).resume();
  }
  sendText(response, status, status === 500 ? "something went wrong here" : messageOf(thrown));
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || !response.writableNeedDrain) return resolve();
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
