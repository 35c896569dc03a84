/*
gRPC's messages on a stream of HTTP/2: each with a flag and its length in front. What was received and not asked for yet is bounded; above it the stream is
paused, and HTTP/2's flow control holds the sender up. No part of a message is copied when it came in one piece.
*/

import type { Http2Stream } from "node:http2";
import { ProtocolError } from "../error.ts";

const PREFIX_BYTES = 5;
/** Bytes of messages that wait before the stream is paused. */
const WAITING_BYTES_MAX = 1 << 20;
/** Messages up to this length are sent as one piece, which is cheaper than three. */
const JOINED_BYTES_MAX = 4096;

export class MessageReader {
  readonly #stream: Http2Stream;
  readonly #bytesMax: number;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixBytes = 0;
  /** The message that came in part. */
  #message: Uint8Array | undefined;
  #messageBytes = 0;
  #isEnded = false;
  #failure: { readonly thrown: unknown } | undefined;
  #wanted:
    | { readonly resolve: (bytes: Uint8Array | undefined) => void; readonly reject: (thrown: unknown) => void }
    | undefined;

  constructor(stream: Http2Stream, bytesMax: number) {
    this.#stream = stream;
    this.#bytesMax = bytesMax;
    stream.on("data", (piece: Uint8Array) => this.#take(piece));
  }

  /** The next message, undefined at the end. One call at a time. */
  next(): Promise<Uint8Array | undefined> {
    const first = this.#waiting.shift();
    if (first !== undefined) {
      this.#waitingBytes -= first.length;
      if (this.#waitingBytes <= WAITING_BYTES_MAX && this.#stream.isPaused()) this.#stream.resume();
      return Promise.resolve(first);
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure.thrown);
    if (this.#isEnded) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#wanted = { resolve, reject };
    });
  }

  /** No more comes; without a failure that is the end of the messages, if not in the middle of one. */
  finish(failure?: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (failure !== undefined) this.#failure = { thrown: failure };
    else if (this.#prefixBytes > 0) {
      this.#failure = { thrown: new ProtocolError("internal", "the stream ended in the middle of a message") };
    }
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (this.#failure !== undefined) wanted?.reject(this.#failure.thrown);
    else wanted?.resolve(undefined);
  }

  #take(buffer: Uint8Array): void {
    // Not as a Buffer, whose parts would be Buffers in the values they become.
    const piece = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
    let at = 0;
    while (at < piece.length && !this.#isEnded) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        this.#prefix[this.#prefixBytes++] = piece[at++];
        if (this.#prefixBytes < PREFIX_BYTES) continue;
        const length = this.#messageLength();
        if (length === undefined) return;
        if (length <= piece.length - at) {
          this.#hand(piece.subarray(at, at + length));
          at += length;
          continue;
        }
        this.#message = new Uint8Array(length);
        this.#messageBytes = 0;
      }
      const message = this.#message as Uint8Array;
      const part = piece.subarray(at, at + message.length - this.#messageBytes);
      message.set(part, this.#messageBytes);
      this.#messageBytes += part.length;
      at += part.length;
      if (this.#messageBytes < message.length) continue;
      this.#message = undefined;
      this.#hand(message);
    }
  }

  /** Reads the prefix; undefined when the message is refused. */
  #messageLength(): number | undefined {
    const [flag, a, b, c, d] = this.#prefix;
    const length = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
    if (flag !== 0) {
      this.finish(new ProtocolError("unimplemented", "compressed messages are not accepted: send them as they are"));
      return undefined;
    }
    if (length > this.#bytesMax) {
      const limit = `a message of ${length} bytes, at most ${this.#bytesMax} are accepted here`;
      this.finish(new ProtocolError("resource-exhausted", limit));
      return undefined;
    }
    return length;
  }

  #hand(message: Uint8Array): void {
    this.#prefixBytes = 0;
    const wanted = this.#wanted;
    if (wanted !== undefined) {
      this.#wanted = undefined;
      wanted.resolve(message);
      return;
    }
    this.#waiting.push(message);
    this.#waitingBytes += message.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.#stream.pause();
  }
}

/** Writes a message; resolves when more may be written, or when the stream has closed: who waits learns the reason from the call. */
export function writeMessage(stream: Http2Stream, parts: readonly Uint8Array[]): Promise<void> {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = Buffer.allocUnsafe(length <= JOINED_BYTES_MAX ? PREFIX_BYTES + length : PREFIX_BYTES);
  head[0] = 0;
  head.writeUInt32BE(length, 1);
  let mayGoOn: boolean;
  if (length <= JOINED_BYTES_MAX) {
    let at = PREFIX_BYTES;
    for (const part of parts) {
      head.set(part, at);
      at += part.length;
    }
    mayGoOn = stream.write(head);
  } else {
    stream.cork();
    stream.write(head);
    mayGoOn = true;
    for (const part of parts) mayGoOn = stream.write(part);
    stream.uncork();
  }
  return mayGoOn || stream.destroyed ? Promise.resolve() : drained(stream);
}

function drained(stream: Http2Stream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
