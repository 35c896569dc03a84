/*
The sockets of a daemon: one for clients that are trusted, whose file only its owner and group may open, and one for everybody. Node cannot ask who is at
the other end, so which socket a client found decides what it may.
*/

import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname } from "node:path";
import process from "node:process";
import type { Duplex } from "node:stream";
import { DaemonChannel } from "./daemon-channel.ts";
import { serveDaemonConnection } from "./daemon-connection.ts";
import type { DaemonHost } from "./daemon-host.ts";
import { GatewayError } from "./error.ts";
import { HashedRealisations } from "./hashed-realisations.ts";

/** Clients at a time; more are turned away at once. */
const CLIENTS_MAX = 512;
const TRUSTED_MODE = 0o660;
const UNTRUSTED_MODE = 0o666;
/** Longest path of a socket that systems take. */
const SOCKET_PATH_BYTES_MAX = 107;

export type DaemonSockets = {
  /** Host path of the socket for trusted clients. */
  readonly trusted?: string;
  /** Host path of the socket for all others. */
  readonly untrusted?: string;
};

/** A running daemon. */
export class DaemonServer {
  readonly #host: DaemonHost;
  readonly #hashed: HashedRealisations | undefined;
  readonly #servers: { readonly server: Server; readonly path: string }[] = [];
  readonly #clients = new Map<DaemonChannel, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(host: DaemonHost) {
    this.#host = host;
    const { realisations, services, storeDir, now } = host;
    if (realisations === undefined) return;
    // A client asks for what it has just seen built, so no list is old enough to be good.
    this.#hashed = new HashedRealisations({ ...services, realisations, keys: [], storeDir, now, freshMs: 0 });
  }

  /** How many clients are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Listens. Throws `bad-request` for a socket that cannot be, or that another daemon listens on. */
  async listen(sockets: DaemonSockets): Promise<void> {
    if (sockets.trusted !== undefined) await this.#listen(sockets.trusted, true);
    if (sockets.untrusted !== undefined) await this.#listen(sockets.untrusted, false);
  }

  /** Serves one client on a stream of bytes in both directions. Resolves when it is gone, and never rejects. */
  async serve(stream: Duplex, { trusted }: { readonly trusted: boolean }): Promise<void> {
    const channel = new DaemonChannel(stream);
    const hashed = this.#hashed === undefined ? {} : { hashed: this.#hashed };
    const options = { trusted, signal: this.#stop.signal, ...hashed };
    const served = serveDaemonConnection(channel, this.#host, options);
    this.#clients.set(channel, served);
    await served;
    this.#clients.delete(channel);
  }

  /** Takes no more clients, lets requests that are being answered end for `graceMs`, then cancels them. */
  async close(graceMs = 5000): Promise<void> {
    for (const { server } of this.#servers) server.close();
    const ended = Promise.all(this.#clients.values());
    for (const channel of this.#clients.keys()) if (channel.isIdle) channel.destroy();
    const timer = setTimeout(() => {
      this.#stop.abort(new Error("the daemon is stopping"));
      for (const channel of this.#clients.keys()) channel.destroy();
    }, graceMs);
    await ended;
    clearTimeout(timer);
    for (const { path } of this.#servers) rmSync(path, { force: true });
  }

  async #listen(path: string, trusted: boolean): Promise<void> {
    if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX)
      throw new GatewayError(
        "bad-request",
        `the path of a socket has at most ${SOCKET_PATH_BYTES_MAX} bytes: '${path}'`,
      );
    makeDirectory(dirname(path));
    await removeDead(path);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.#clients.size >= CLIENTS_MAX) {
        socket.destroy();
        return;
      }
      void this.serve(socket, { trusted });
    });
    const listening = new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.once("listening", resolve);
    });
    // Nobody is to come in between the making of the file, which is done before `listen` returns, and its mode.
    const mask = process.umask(0o777);
    try {
      server.listen(path);
    } finally {
      process.umask(mask);
    }
    await listening.catch((cause: Error) => {
      throw new GatewayError("bad-request", `cannot listen on '${path}': ${cause.message}`, { cause });
    });
    this.#servers.push({ server, path });
    chmodSync(path, trusted ? TRUSTED_MODE : UNTRUSTED_MODE);
  }
}

/** One level only: Node turns for ever where it should make several below /proc. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "EEXIST")
      throw new GatewayError("bad-request", `no socket can be made in '${path}': ${message}`, { cause });
  }
}

/** Removes a socket that nobody listens on any more. Throws when somebody does, or when it is no socket. */
async function removeDead(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new GatewayError("bad-request", `'${path}' is there and no socket`);
  const isAlive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  if (isAlive) throw new GatewayError("bad-request", `another daemon listens on '${path}'`);
  rmSync(path);
}
