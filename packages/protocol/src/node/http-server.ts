/*
One port, or one unix socket, for everything: gRPC over HTTP/2, and whatever else comes over HTTP/1.1 and HTTP/2. Without TLS the first bytes of a connection tell which of the
two it speaks; with TLS they agreed on it. It knows no service. Limits of what one peer may do are here, and an end that lets calls come to theirs.
*/

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  Http2ServerRequest,
  Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type IncomingHttpHeaders,
} from "node:http2";
import { createServer as createSecureServer } from "node:https";
import { connect, type Server as NetServer, type Socket } from "node:net";
import { chmod, unlink } from "node:fs/promises";
import type { TLSSocket } from "node:tls";
import { ProtocolError } from "../error.ts";
import type { NodeHandler } from "./connect-handler.ts";
import { authorityOf, HTTP2_SETTINGS, WINDOW_BYTES } from "./grpc-channel.ts";
import { type GrpcServer, isGrpc } from "./grpc-server.ts";

export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string; readonly mode?: number };

export type HttpServerOptions = {
  readonly listen: ListenAddress;
  readonly grpc: GrpcServer;
  /** Everything that is not gRPC. */
  readonly onRequest: NodeHandler;
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** Calls of one connection at the same time. */
  readonly streamsMax?: number;
  readonly connectionsMax?: number;
  /** How long a request's headers may take, and a connection may be silent between requests. */
  readonly headersTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
};

const HTTP2_PREFACE = "PRI";
const HEADERS_BYTES_MAX = 32 * 1024;

export interface HttpServer extends AsyncDisposable {
  /** Where it listens: `http://host:port`, `https://…`, or `unix:/path`. */
  readonly url: string;
  readonly port: number | undefined;
  /** Connections that are open. */
  readonly connections: number;
  /** Takes no more; resolves when what runs has ended, or was ended because `graceMs` passed. */
  close(graceMs?: number): Promise<void>;
}

/** Listens. Rejects with what the system says when the address cannot be had. */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { listen, grpc, onRequest, tls, streamsMax = 256, connectionsMax = 4096 } = options;
  const { headersTimeoutMs = 20_000, idleTimeoutMs = 120_000 } = options;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  let calls = 0;
  let onIdle: (() => void) | undefined;
  let isClosing = false;
  const began = () => {
    calls++;
  };
  const ended = () => {
    calls--;
    if (calls === 0) onIdle?.();
  };

  const onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
    began();
    stream.once("close", ended);
    if (isGrpc(headers)) {
      void grpc.serve(stream, headers);
      return;
    }
    const request = new Http2ServerRequest(stream, headers, {}, raw);
    onRequest(request, new Http2ServerResponse(stream));
  };
  const onSession = (session: ServerHttp2Session) => {
    sessions.add(session);
    session.setLocalWindowSize(WINDOW_BYTES);
    session.setTimeout(idleTimeoutMs, () => session.close());
    session.on("error", () => {}); // its streams are told
    session.once("close", () => sessions.delete(session));
    if (isClosing) session.close();
  };
  const onHttp1 = (request: IncomingMessage, response: ServerResponse) => {
    began();
    response.once("close", ended);
    if (isClosing) response.setHeader("connection", "close");
    onRequest(request, response);
  };
  const settings = { ...HTTP2_SETTINGS, maxConcurrentStreams: streamsMax };
  const limits = {
    headersTimeout: headersTimeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    maxHeaderSize: HEADERS_BYTES_MAX,
  };
  const http2Options = { settings, maxSendHeaderBlockLength: HEADERS_BYTES_MAX, maxSessionMemory: 64 };

  const http2 = createHttp2Server(http2Options);
  const serveHttp2 = (socket: Socket) => {
    // Servers of HTTP/1.1 leave it open for their answer; here nothing would notice that the peer is gone.
    socket.allowHalfOpen = false;
    http2.emit("connection", socket);
  };
  http2.on("session", onSession);
  http2.on("stream", onStream);
  const server =
    tls === undefined
      ? createServer(limits, onHttp1)
      : createSecureServer({ ...limits, ...tls, ALPNProtocols: ["h2", "http/1.1"] }, onHttp1);
  server.maxConnections = connectionsMax;
  server.on("clientError", (_, socket) => socket.destroy());
  // Whatever connects is looked at before HTTP/1.1 gets it.
  const event = tls === undefined ? "connection" : "secureConnection";
  const [serveHttp1] = server.listeners(event) as ((socket: Socket) => void)[];
  server.off(event, serveHttp1);
  server.on(event, (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    if (tls !== undefined) {
      if ((socket as TLSSocket).alpnProtocol === "h2") serveHttp2(socket);
      else serveHttp1.call(server, socket);
      return;
    }
    const drop = setTimeout(() => socket.destroy(), headersTimeoutMs);
    socket.once("close", () => clearTimeout(drop));
    socket.once("data", (first: Buffer) => {
      clearTimeout(drop);
      socket.pause();
      socket.unshift(first);
      // No client sends only the first letters of HTTP/2's preface.
      if (first.subarray(0, HTTP2_PREFACE.length).toString("latin1") === HTTP2_PREFACE) serveHttp2(socket);
      else {
        serveHttp1.call(server, socket);
        socket.resume();
      }
    });
  });

  await listenOn(server, listen);
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : undefined;
  const scheme = tls === undefined ? "http" : "https";
  const url =
    listen.kind === "unix"
      ? `unix:${listen.path}`
      : `${scheme}://${authorityOf({ host: listen.host, port: port as number })}`;

  let closing: Promise<void> | undefined;
  const close = async (graceMs: number) => {
    isClosing = true;
    server.close();
    for (const session of sessions) session.close();
    if (calls > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const session of sessions) session.destroy();
    for (const socket of sockets) socket.destroy();
  };
  return {
    url,
    port,
    get connections() {
      return sockets.size;
    },
    close: (graceMs = 0) => {
      closing ??= close(graceMs);
      return closing;
    },
    [Symbol.asyncDispose]: () => {
      closing ??= close(0);
      return closing;
    },
  };
}

async function listenOn(server: NetServer, listen: ListenAddress): Promise<void> {
  const begin = () =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(listen.kind === "unix" ? { path: listen.path } : { host: listen.host, port: listen.port }, () => {
        server.off("error", reject);
        resolve();
      });
    });
  try {
    await begin();
  } catch (thrown) {
    if (listen.kind !== "unix" || (thrown as NodeJS.ErrnoException).code !== "EADDRINUSE") throw thrown;
    // A server that was killed leaves its socket; one that lives answers on it.
    if (await answers(listen.path))
      throw new ProtocolError(
        "already-exists",
        `another server listens on ${listen.path}: stop it, or choose another path`,
      );
    await unlink(listen.path);
    await begin();
  }
  if (listen.kind === "unix" && listen.mode !== undefined) await chmod(listen.path, listen.mode);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
