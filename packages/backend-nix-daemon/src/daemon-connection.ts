/*
One connection to a Nix daemon: one request at a time, its body sent while what the daemon says meanwhile is read. After an error that the daemon
sent the connection goes on; after any other it is broken.
*/

import { connect, type Socket } from "node:net";
import { assert, ByteSource, type ByteStream, messageOf, textOf, throwIfAborted } from "@firn/base";
import {
  invalidMessage,
  NixCompatError,
  openWorkerHandshake,
  readWorkerLogFrame,
  WireReader,
  WireWriter,
  WORKER_OPERATIONS,
  workerFrameHead,
  type WorkerLogFrame,
  type WorkerOperation,
  type WorkerOperationName,
  type WorkerReply,
  type WorkerRequest,
  type WorkerSession,
} from "@firn/nix-compat";
import { NixDaemonError } from "./error.ts";

export type DaemonCallOptions = {
  readonly signal?: AbortSignal;
  /** What follows the request; must be a NAR where an old daemon wants that. */
  readonly body?: ByteStream;
  /** What the daemon says while it works. */
  readonly onFrame?: (frame: WorkerLogFrame) => void;
};

export class DaemonConnection {
  readonly #socket: Socket;
  readonly #from: WireReader;
  readonly session: WorkerSession;
  #isBroken = false;

  private constructor(socket: Socket, from: WireReader, session: WorkerSession) {
    this.#socket = socket;
    this.#from = from;
    this.session = session;
  }

  /** Connects and agrees on a version. Throws `unreachable` or `protocol`. */
  static async open(
    socketPath: string,
    {
      storeDir,
      version,
      signal,
    }: { readonly storeDir: string; readonly version?: number; readonly signal?: AbortSignal },
  ): Promise<DaemonConnection> {
    throwIfAborted(signal);
    const socket = connect(socketPath);
    const stop = () => socket.destroy();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
        socket.once("close", () => reject(new Error("the connection was closed")));
      }).catch((cause) => {
        throw unreachable(`cannot connect to the Nix daemon at '${socketPath}'`, cause);
      });
      socket.on("error", () => {}); // seen by whoever reads or writes
      const from = new WireReader(new ByteSource(socket), invalidMessage);
      const send = (bytes: Uint8Array) => sendTo(socket, bytes);
      const { session } = await openWorkerHandshake(from, send, storeDir, version);
      const connection = new DaemonConnection(socket, from, session);
      const refusal = await connection.#toLast({});
      if (refusal !== undefined) throw refusal;
      return connection;
    } catch (thrown) {
      socket.destroy();
      throwIfAborted(signal);
      throw translated(thrown);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Whether another request may be made. */
  get isUsable(): boolean {
    return !this.#isBroken && !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  /** Makes a request. Throws `refused`, `unreachable`, `protocol`, the signal's reason, or what the body throws. */
  async call<Name extends WorkerOperationName>(
    name: Name,
    request: WorkerRequest<Name>,
    options: DaemonCallOptions = {},
  ): Promise<WorkerReply<Name>> {
    assert(this.isUsable, "a broken connection is not used again");
    return await this.#guarded(options.signal, async () => {
      const operation: WorkerOperation<WorkerRequest<Name>, WorkerReply<Name>> = WORKER_OPERATIONS[name] as never;
      const to = new WireWriter().integer(operation.number);
      operation.request.write(to, request, this.session);
      await sendTo(this.#socket, to.take());
      const refusal = await this.#converse(operation.body?.(this.session.version), options);
      if (refusal !== undefined) throw refusal;
      return await operation.reply.read(this.#from, this.session);
    });
  }

  /** The NAR of a path, for once; nothing else may be asked before its end. Throws as `call`. */
  async *nar(path: WorkerRequest<"narFromPath">["path"], signal?: AbortSignal): ByteStream {
    await this.call("narFromPath", { path }, { signal });
    let isWhole = false;
    const stop = () => this.close();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      yield* this.#from.nar();
      isWhole = true;
    } catch (thrown) {
      throwIfAborted(signal);
      throw translated(thrown);
    } finally {
      signal?.removeEventListener("abort", stop);
      if (!isWhole) this.close();
    }
  }

  close(): void {
    this.#isBroken = true;
    this.#socket.destroy();
  }

  /** Runs one exchange; whatever fails but a refusal breaks the connection. */
  async #guarded<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    const stop = () => this.close();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      return await work();
    } catch (thrown) {
      if (thrown instanceof NixDaemonError && thrown.code === "refused") throw thrown;
      this.close();
      throwIfAborted(signal);
      throw translated(thrown);
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Sends the body and listens, until the daemon says that the reply comes, or that none does. */
  async #converse(
    kind: "framed" | "nar" | "asked" | undefined,
    options: DaemonCallOptions,
  ): Promise<NixDaemonError | undefined> {
    if (kind === undefined || kind === "asked") return await this.#toLast(options);
    assert(options.body !== undefined, "an operation with a body is called with one");
    let isAnswered = false;
    const answer = this.#toLast(options).finally(() => {
      isAnswered = true;
    });
    const outcome = answer.then(
      (refusal) => ({ refusal }),
      (thrown: unknown) => ({ thrown }),
    );
    for await (const chunk of options.body) {
      if (isAnswered) break;
      if (chunk.length === 0) continue;
      if (kind === "framed") await sendTo(this.#socket, workerFrameHead(chunk.length));
      await sendTo(this.#socket, chunk);
    }
    if (kind === "framed") await sendTo(this.#socket, workerFrameHead(0));
    const ended = await outcome;
    if ("thrown" in ended) throw ended.thrown;
    // A NAR that was left in the middle would be read as the next request.
    if (kind === "nar" && ended.refusal !== undefined) this.close();
    return ended.refusal;
  }

  async #toLast({ body, onFrame }: DaemonCallOptions): Promise<NixDaemonError | undefined> {
    const source = body === undefined ? undefined : new ByteSource(body);
    for (;;) {
      const frame = await readWorkerLogFrame(this.#from, this.session);
      if (frame.type === "last") return undefined;
      if (frame.type === "error") {
        const context = { traces: frame.traces.map(textOf).join("\n") };
        return new NixDaemonError("refused", textOf(frame.message), { context });
      }
      if (frame.type === "read") {
        const chunk = await source?.next();
        if (chunk === undefined || source === undefined) throw invalidMessage("more was asked for than there is");
        source.unread(chunk.subarray(frame.bytesMax));
        await sendTo(this.#socket, new WireWriter().bytes(chunk.subarray(0, frame.bytesMax)).take());
      } else onFrame?.(frame);
    }
  }
}

/** Writes and waits until more may be written. */
async function sendTo(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (socket.destroyed) throw unreachable("the connection to the Nix daemon is closed");
  // The buffer may be used again by its owner once this resolves.
  if (socket.write(new Uint8Array(bytes))) return;
  await new Promise<void>((resolve, reject) => {
    const end = () => {
      socket.off("drain", drained);
      reject(unreachable("the connection to the Nix daemon broke"));
    };
    const drained = () => {
      socket.off("close", end);
      resolve();
    };
    socket.once("drain", drained);
    socket.once("close", end);
  });
}

function unreachable(what: string, cause?: unknown): NixDaemonError {
  const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return new NixDaemonError("unreachable", `${what}${why}`, { cause, retryable: true });
}

/** Errors of sockets and of codecs, in this room's words. */
function translated(thrown: unknown): unknown {
  if (thrown instanceof NixCompatError) return new NixDaemonError("protocol", thrown.message, { cause: thrown });
  const code = (thrown as NodeJS.ErrnoException | undefined)?.code;
  if (["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"].includes(code ?? ""))
    return unreachable("the connection to the Nix daemon broke", thrown);
  return thrown;
}
