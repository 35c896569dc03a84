/*
The same handlers for Connect and gRPC-Web, over HTTP/1.1 and HTTP/2, with JSON and compression where callers want them: browsers and scripts. Connect's library does
the work; messages pass through their encoding once more than on gRPC's own way (grpc-server.ts), which is the one for bulk.
*/

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { type DescMessage, type DescService, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { concatBytes } from "@firn/base";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { statusOfCode } from "../error.ts";
import { MESSAGE_BYTES_MAX, type RpcHandler, type ServerCall } from "../rpc.ts";
import { statusOf } from "../status.ts";
import { runCall, type RpcServerOptions } from "./grpc-server.ts";

export type NodeHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** Answers that wait for the caller to read. */
const WAITING_MAX = 4;

/** A handler of requests that are calls of these handlers; `otherwise` gets the rest. */
export function connectHandler(
  handlers: readonly RpcHandler[],
  options: RpcServerOptions,
  otherwise: NodeHandler,
): NodeHandler {
  const routes = (router: ConnectRouter) => {
    const services = new Map<DescService, RpcHandler[]>();
    for (const handler of handlers) {
      const service = handler.method.descriptor.parent;
      services.set(service, [...(services.get(service) ?? []), handler]);
    }
    for (const [service, ofService] of services) {
      const methods = ofService.map((handler) => [
        handler.method.descriptor.localName,
        implementation(handler, options),
      ]);
      router.service(service, Object.fromEntries(methods) as never);
    }
  };
  return connectNodeAdapter({
    routes,
    grpc: false,
    acceptCompression: [], // bulk does not compress well, and trying takes longer than sending
    readMaxBytes: MESSAGE_BYTES_MAX, // bulk goes over gRPC or plain HTTP
    // The library's type of a response has one overload more than Node's.
    fallback: otherwise as NonNullable<Parameters<typeof connectNodeAdapter>[0]["fallback"]>,
  });
}

type Message = MessageShape<DescMessage>;

function implementation(handler: RpcHandler, options: RpcServerOptions): unknown {
  const { methodKind } = handler.method.descriptor;
  const isManyIn = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  const inputs = (input: Message | AsyncIterable<Message>) =>
    isManyIn ? (input as AsyncIterable<Message>) : [input as Message];
  if (methodKind === "unary" || methodKind === "client_streaming") {
    return async (input: Message | AsyncIterable<Message>, context: HandlerContext) => {
      for await (const output of run(handler, options, inputs(input), context)) return output;
      throw new ConnectError("the call ended without an answer", Code.Internal);
    };
  }
  return (input: Message | AsyncIterable<Message>, context: HandlerContext) =>
    run(handler, options, inputs(input), context);
}

/** Runs the handler and yields what it sends. */
async function* run(
  handler: RpcHandler,
  options: RpcServerOptions,
  inputs: Iterable<Message> | AsyncIterable<Message>,
  context: HandlerContext,
): AsyncGenerator<Message, void> {
  const { input, output } = handler.method.descriptor;
  const { path } = handler.method;
  const startedMs = options.now?.() ?? 0;
  const coming = (Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]()) as
    | AsyncIterator<Message>
    | Iterator<Message>;
  const sent: Message[] = [];
  const stopped = new AbortController();
  const signal = AbortSignal.any([context.signal, stopped.signal]);
  let isDone = false;
  let failure: { readonly thrown: unknown } | undefined;
  // Whoever waits, the handler for room or the caller's side for a message, is woken by what the other one does.
  let change = Promise.withResolvers<void>();
  const wake = () => {
    change.resolve();
    change = Promise.withResolvers();
  };
  signal.addEventListener("abort", wake, { once: true });
  const metadata = (name: string) => context.requestHeader.get(name) ?? undefined;
  const call: ServerCall = {
    signal,
    metadata,
    receive: async () => {
      const next = await coming.next();
      return next.done ? undefined : toBinary(input, next.value);
    },
    send: async (parts) => {
      while (sent.length >= WAITING_MAX) {
        signal.throwIfAborted();
        await change.promise;
      }
      sent.push(fromBinary(output, concatBytes(parts)));
      wake();
    },
  };
  const running = (async () => {
    options.authorize?.(handler, metadata);
    await runCall(handler, call, options);
  })()
    .catch((thrown: unknown) => {
      failure = { thrown };
    })
    .finally(() => {
      isDone = true;
      wake();
    });
  let code = "ok";
  try {
    for (;;) {
      const next = sent.shift();
      if (next !== undefined) {
        wake();
        yield next;
      } else if (isDone) break;
      else await change.promise;
    }
    await running;
    if (failure !== undefined) {
      const status = statusOf(failure.thrown);
      code = status.code;
      if (code === "internal") options.onFailure?.(failure.thrown, path);
      const headers = status.detail === undefined ? undefined : { "firn-error": status.detail };
      throw new ConnectError(status.message, statusOfCode(status.code) as Code, headers);
    }
  } finally {
    stopped.abort();
    options.onCall?.(path, code, (options.now?.() ?? 0) - startedMs);
  }
}
