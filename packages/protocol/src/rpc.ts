/*
Remote calls, whatever carries them: what a method is, what a server's side does with a call, what a client's side can do. Both sides see messages as bytes and
turn them into values with the method's codecs; node/ has the connections. Connect, gRPC-Web and gRPC all end here.
*/

import type { DescMethod } from "@bufbuild/protobuf";
import { FirnError, messageOf } from "@firn/base";
import type { Codec } from "./codec.ts";
import { ProtocolError } from "./error.ts";

/** What a caller must be allowed to do; who may do one may do all before it. */
export const ACCESSES = ["read", "write", "admin"] as const;
export type Access = (typeof ACCESSES)[number];

export type RpcMethod<I, O> = {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly descriptor: DescMethod;
  readonly input: Codec<I>;
  readonly output: Codec<O>;
  readonly access: Access;
  /** Longest message of a request, in bytes. */
  readonly inputBytesMax: number;
};

/** Longest message where nothing else is said, in bytes: gRPC's own default. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

export function defineMethod<I, O>(
  descriptor: DescMethod,
  input: Codec<I>,
  output: Codec<O>,
  options: { readonly access?: Access; readonly inputBytesMax?: number } = {},
): RpcMethod<I, O> {
  const { access = "read", inputBytesMax = MESSAGE_BYTES_MAX } = options;
  return {
    path: `/${descriptor.parent.typeName}/${descriptor.name}`,
    descriptor,
    input,
    output,
    access,
    inputBytesMax,
  };
}

/** A call as its server sees it. */
export interface ServerCall {
  /** Fires when the caller went away, its deadline passed, or the server ends. */
  readonly signal: AbortSignal;
  /** What the caller sent along, by lower-case name. */
  metadata(name: string): string | undefined;
  /** The next message, undefined after the last. Its bytes are the receiver's. */
  receive(): Promise<Uint8Array | undefined>;
  /** Sends a message; resolves when more may be sent. */
  send(parts: readonly Uint8Array[]): Promise<void>;
}

export type RpcContext = Pick<ServerCall, "signal" | "metadata">;

/** One method's implementation. Whatever `run` throws becomes the call's status. */
export type RpcHandler = {
  readonly method: RpcMethod<unknown, unknown>;
  readonly run: (call: ServerCall) => Promise<void>;
};

function handler<I, O>(method: RpcMethod<I, O>, run: (call: ServerCall) => Promise<void>): RpcHandler {
  return { method: method as unknown as RpcMethod<unknown, unknown>, run };
}

export function unary<I, O>(
  method: RpcMethod<I, O>,
  answer: (input: I, context: RpcContext) => Promise<O>,
): RpcHandler {
  return handler(method, async (call) => {
    await call.send(method.output.encode(await answer(await onlyInput(method, call), call)));
  });
}

export function serverStream<I, O>(
  method: RpcMethod<I, O>,
  answer: (input: I, context: RpcContext) => AsyncIterable<O>,
): RpcHandler {
  return handler(method, async (call) => {
    for await (const output of answer(await onlyInput(method, call), call))
      await call.send(method.output.encode(output));
  });
}

export function clientStream<I, O>(
  method: RpcMethod<I, O>,
  answer: (inputs: AsyncIterable<I>, context: RpcContext) => Promise<O>,
): RpcHandler {
  return handler(method, async (call) => {
    await call.send(method.output.encode(await answer(inputsOf(method, call), call)));
  });
}

export function bidiStream<I, O>(
  method: RpcMethod<I, O>,
  answer: (inputs: AsyncIterable<I>, context: RpcContext) => AsyncIterable<O>,
): RpcHandler {
  return handler(method, async (call) => {
    for await (const output of answer(inputsOf(method, call), call)) await call.send(method.output.encode(output));
  });
}

async function onlyInput<I>(method: Pick<RpcMethod<I, never>, "input">, call: ServerCall): Promise<I> {
  const bytes = await call.receive();
  if (bytes === undefined) throw new ProtocolError("invalid-argument", "the call came without a request");
  return decoded(method.input, bytes, "invalid-argument");
}

async function* inputsOf<I>(method: Pick<RpcMethod<I, never>, "input">, call: ServerCall): AsyncGenerator<I, void> {
  for (let bytes = await call.receive(); bytes !== undefined; bytes = await call.receive())
    yield decoded(method.input, bytes, "invalid-argument");
}

function decoded<T>(codec: Codec<T>, bytes: Uint8Array, code: "invalid-argument" | "internal"): T {
  try {
    return codec.decode(bytes);
  } catch (thrown) {
    if (thrown instanceof FirnError) throw thrown;
    throw new ProtocolError(code, `a message of ${bytes.length} bytes cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

export type RpcOptions = {
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
};

/** A call as its client sees it. */
export interface ClientCall {
  send(parts: readonly Uint8Array[]): Promise<void>;
  /** No more is sent. */
  end(): void;
  /** The next message; undefined after the last when the call succeeded. Throws what the server threw, as a ProtocolError or as `errorOfStatus` makes it. */
  receive(): Promise<Uint8Array | undefined>;
  /** Ends the call; does nothing when it has ended. */
  cancel(): void;
}

/** A connection to a server, made when it is first needed and made again when it was lost. */
export interface Channel extends AsyncDisposable {
  /** For messages. */
  readonly label: string;
  call(path: string, options?: RpcOptions): ClientCall;
}

export async function callUnary<I, O>(
  channel: Channel,
  method: RpcMethod<I, O>,
  input: I,
  options?: RpcOptions,
): Promise<O> {
  const call = channel.call(method.path, options);
  try {
    // What keeps a message from being sent is told by the status.
    call.send(method.input.encode(input)).catch(() => undefined);
    call.end();
    return await onlyOutput(method, call);
  } finally {
    call.cancel();
  }
}

export async function* callServerStream<I, O>(
  channel: Channel,
  method: RpcMethod<I, O>,
  input: I,
  options?: RpcOptions,
): AsyncGenerator<O, void> {
  const call = channel.call(method.path, options);
  try {
    call.send(method.input.encode(input)).catch(() => undefined);
    call.end();
    for (let bytes = await call.receive(); bytes !== undefined; bytes = await call.receive())
      yield decoded(method.output, bytes, "internal");
  } finally {
    call.cancel();
  }
}

/** Sends all inputs. When they end with a failure the call is given up, so that the server does not take those that came for all. */
export async function callClientStream<I, O>(
  channel: Channel,
  method: RpcMethod<I, O>,
  inputs: Iterable<I> | AsyncIterable<I>,
  options?: RpcOptions,
): Promise<O> {
  const stream = new ClientStream(channel, method, options);
  try {
    for await (const input of inputs) await stream.send(input);
    return await stream.finish();
  } finally {
    stream.cancel();
  }
}

/** A stream of messages to the server and its answer. */
export class ClientStream<I, O> {
  readonly #method: RpcMethod<I, O>;
  readonly #call: ClientCall;

  constructor(channel: Channel, method: RpcMethod<I, O>, options?: RpcOptions) {
    this.#method = method;
    this.#call = channel.call(method.path, options);
  }

  /** Resolves when more may be sent. A server that took no more has said why: that is thrown. */
  async send(input: I): Promise<void> {
    try {
      await this.#call.send(this.#method.input.encode(input));
    } catch (thrown) {
      await this.finish();
      throw thrown;
    }
  }

  /** Ends the stream and yields the answer. */
  async finish(): Promise<O> {
    this.#call.end();
    try {
      return await onlyOutput(this.#method, this.#call);
    } finally {
      this.#call.cancel();
    }
  }

  cancel(): void {
    this.#call.cancel();
  }
}

async function onlyOutput<O>(method: Pick<RpcMethod<never, O>, "path" | "output">, call: ClientCall): Promise<O> {
  const bytes = await call.receive();
  if (bytes === undefined) throw new ProtocolError("internal", `${method.path} ended without an answer`);
  const output = decoded(method.output, bytes, "internal");
  if ((await call.receive()) === undefined) return output;
  throw new ProtocolError("internal", `${method.path} gave more than one answer`);
}
