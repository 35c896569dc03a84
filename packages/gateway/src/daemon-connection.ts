/*
One client's connection from handshake to end: requests one after another, each answered by log frames and then a reply or an error. After an error the
connection goes on as long as it is known where the next request begins.

Follows processConnection and performOp. DEVIATION: an error is sent before what is left of a body was read, so that a client stops sending.
*/

import { byteStringOfText, ByteSource, type ByteStream, messageOf } from "@firn/base";
import type { Lease } from "@firn/castore";
import {
  invalidMessage,
  serveWorkerHandshake,
  WireReader,
  WireWriter,
  WORKER_LEVEL,
  WORKER_OPERATIONS,
  WorkerFrames,
  type WorkerLogFrame,
  type WorkerOperation,
  type WorkerOperationName,
  workerOperation,
  writeWorkerLogFrame,
} from "@firn/nix-compat";
import { DAEMON_ADDITIONS } from "./daemon-additions.ts";
import { DAEMON_BUILDS } from "./daemon-builds.ts";
import { DaemonCall, type DaemonConnectionState, type DaemonHandlers, USUAL_SETTINGS } from "./daemon-call.ts";
import type { DaemonChannel } from "./daemon-channel.ts";
import type { DaemonHost } from "./daemon-host.ts";
import { DaemonLog } from "./daemon-log.ts";
import { DAEMON_QUERIES } from "./daemon-queries.ts";
import { DAEMON_UPKEEP } from "./daemon-upkeep.ts";
import type { HashedRealisations } from "./hashed-realisations.ts";

/** Longest request without its body, in bytes; also how much memory one client can take. */
const REQUEST_BYTES_MAX = 128 * 1024 * 1024;
/** How much of a body is asked for at a time, where it has to be. */
const ASKED_BYTES = 64 * 1024;

const HANDLERS: DaemonHandlers<WorkerOperationName> = {
  ...DAEMON_QUERIES,
  ...DAEMON_ADDITIONS,
  ...DAEMON_BUILDS,
  ...DAEMON_UPKEEP,
};

type Handler = (request: unknown, call: DaemonCall) => Promise<unknown>;

export type DaemonConnectionOptions = {
  readonly trusted: boolean;
  readonly signal: AbortSignal;
  /** For clients that name derivations by their hashes. */
  readonly hashed?: HashedRealisations;
};

/** Serves a client until it ends, breaks the protocol, or `signal` fires between two requests. Never throws. */
export async function serveDaemonConnection(
  channel: DaemonChannel,
  host: DaemonHost,
  { trusted, signal, hashed }: DaemonConnectionOptions,
): Promise<void> {
  await using source = new ByteSource(channel.incoming());
  const from = new WireReader(source, invalidMessage);
  let lease: Promise<Lease> | undefined;
  try {
    from.begin(ASKED_BYTES);
    const { storeDir, programVersion } = host;
    const send = (bytes: Uint8Array) => channel.send(bytes);
    const session = await serveWorkerHandshake(from, send, storeDir, { programVersion, trusted });
    const openLease = () => {
      lease ??= host.leases.openLease("client of firn daemon");
      return lease;
    };
    const log = new DaemonLog(channel, session);
    const state: DaemonConnectionState = {
      host,
      session,
      trusted,
      ...(hashed === undefined ? {} : { hashed }),
      log,
      lease: openLease,
      settings: USUAL_SETTINGS,
    };
    const connection = new Connection(channel, from, state, AbortSignal.any([signal, channel.gone]));
    await connection.send({ type: "last" });
    while (!signal.aborted && (await connection.answerNext())) {
      // one after another
    }
    await channel.close();
  } catch {
    // The client is gone, or no client of this protocol: nobody is left to be told.
    channel.destroy();
  } finally {
    await (await lease?.catch(() => undefined))?.release();
  }
}

class Connection {
  readonly #channel: DaemonChannel;
  readonly #from: WireReader;
  readonly #state: DaemonConnectionState;
  readonly #signal: AbortSignal;

  constructor(channel: DaemonChannel, from: WireReader, state: DaemonConnectionState, signal: AbortSignal) {
    this.#channel = channel;
    this.#from = from;
    this.#state = state;
    this.#signal = signal;
  }

  /** False when there is no next request, or none could be found any more. */
  async answerNext(): Promise<boolean> {
    this.#channel.isIdle = true;
    if (await this.#from.atEnd()) return false;
    this.#channel.isIdle = false;
    const { session } = this.#state;
    let name: WorkerOperationName | undefined;
    let request: unknown;
    try {
      this.#from.begin(REQUEST_BYTES_MAX);
      const number = await this.#from.integer();
      name = workerOperation(number);
      if (name === undefined) throw invalidMessage(`invalid operation ${number}`);
      request = await WORKER_OPERATIONS[name].request.read(this.#from, session);
    } catch (thrown) {
      await this.#fail(thrown);
      return false;
    }
    this.#from.begin(Number.POSITIVE_INFINITY);
    const operation: WorkerOperation<unknown, unknown> = WORKER_OPERATIONS[name] as never;
    const bodyKind = operation.body?.(session.version);
    const frames = bodyKind === "framed" ? new WorkerFrames(this.#from) : undefined;
    const body = (length: number) => frames?.bytes() ?? (bodyKind === "nar" ? this.#from.nar() : this.#asked(length));
    const call = new DaemonCall(this.#state, this.#signal, bodyKind, body);
    let reply: unknown;
    try {
      reply = await (HANDLERS[name] as Handler)(request, call);
      await frames?.drain();
    } catch (thrown) {
      this.#signal.throwIfAborted();
      await this.#fail(thrown);
      await frames?.drain();
      return bodyKind !== "nar";
    }
    await this.#reply(operation, reply, call.nar);
    return true;
  }

  async #reply(
    operation: WorkerOperation<unknown, unknown>,
    reply: unknown,
    nar: ByteStream | undefined,
  ): Promise<void> {
    const { session } = this.#state;
    const to = new WireWriter();
    writeWorkerLogFrame(to, { type: "last" }, session);
    operation.reply.write(to, reply, session);
    await this.#channel.send(to.take());
    // A NAR that fails in the middle ends the connection: there is no way to say so.
    for await (const chunk of nar ?? []) await this.#channel.send(chunk);
  }

  /** The body of a client that sends only what it is asked for. */
  async *#asked(length: number): ByteStream {
    for (let lacking = length; lacking > 0; ) {
      await this.send({ type: "read", bytesMax: Math.min(lacking, ASKED_BYTES) });
      const piece = await this.#from.bytes(ASKED_BYTES, "piece of a body");
      if (piece.length === 0) throw invalidMessage("a body ends before its length");
      lacking -= piece.length;
      yield piece;
    }
  }

  async #fail(thrown: unknown): Promise<void> {
    const message = byteStringOfText(messageOf(thrown));
    await this.send({ type: "error", level: WORKER_LEVEL.error, message, traces: [] });
  }

  async send(frame: WorkerLogFrame): Promise<void> {
    const to = new WireWriter();
    writeWorkerLogFrame(to, frame, this.#state.session);
    await this.#channel.send(to.take());
  }
}
