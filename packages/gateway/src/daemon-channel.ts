/*
A client's socket, or another stream in both directions, as a daemon wants it: a stream of chunks to read, a way to send that waits while much is unsent, and a signal that fires when the client
is gone, even while nobody reads, so that its builds can end.
*/

import type { Duplex } from "node:stream";
import type { ByteStream } from "@firn/base";

/** Bytes that may have come in unread before the socket is stopped. */
const UNREAD_BYTES_MAX = 1024 * 1024;

export class DaemonChannel {
  readonly #socket: Duplex;
  readonly #gone = new AbortController();
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #ended = false;
  /** Whether the client was answered and asks nothing. */
  isIdle = false;
  #wake: () => void = () => {};
  #drained: () => void = () => {};

  constructor(socket: Duplex) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#unread.push(chunk);
      this.#unreadBytes += chunk.length;
      if (this.#unreadBytes > UNREAD_BYTES_MAX) socket.pause();
      this.#wake();
    });
    // DEVIATION: a client that only ended its own side is taken as gone; Nix's never do so in the middle of a request.
    const onEnd = () => {
      this.#ended = true;
      this.#wake();
      this.#drained();
      this.#gone.abort(new Error("the client is gone"));
    };
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    socket.on("drain", () => this.#drained());
    socket.on("error", () => {}); // a close follows
  }

  /** Fires when the client has ended its side. What it sent before can still be read. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** How many bytes wait to be taken by the client. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** What the client sends, for once. */
  async *incoming(): ByteStream {
    for (;;) {
      const chunk = this.#unread.shift();
      if (chunk !== undefined) {
        this.#unreadBytes -= chunk.length;
        if (this.#unreadBytes <= UNREAD_BYTES_MAX && this.#socket.isPaused()) this.#socket.resume();
        yield chunk;
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Sends; the buffer must not change afterwards. Resolves when more may be sent. Throws when the client is gone. */
  async send(bytes: Uint8Array): Promise<void> {
    this.push(bytes);
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed)
      await new Promise<void>((resolve) => (this.#drained = resolve));
    if (this.#socket.destroyed) throw this.#gone.signal.reason ?? new Error("the client is gone");
  }

  /** Sends without waiting, for what cannot wait. */
  push(bytes: Uint8Array): void {
    if (bytes.length > 0 && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Ends when all is sent; at once when the client does not take it in `graceMs`. */
  async close(graceMs = 5000): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    const timer = setTimeout(() => this.#socket.destroy(), graceMs);
    this.#socket.end(() => this.#socket.destroy());
    await closed;
    clearTimeout(timer);
  }

  /** Ends at once, for what was not sent whole. */
  destroy(): void {
    this.#socket.destroy();
  }
}
