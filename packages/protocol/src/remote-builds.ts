/* A peer's builder. Attempts go on when the connection is lost; a watcher asks again from where it was (build's proxiedBuildService does). */

import { throwIfAborted } from "@firn/base";
import type {
  Attempt,
  AttemptEvent,
  AttemptFilter,
  AttemptPage,
  BuildService,
  BuildServiceSupports,
  Recipe,
  Refusal,
  SubmitOptions,
  SubmittedRecipe,
  WatchOptions,
} from "@firn/build";
import { bytesOfDigest, type Digest } from "@firn/castore";
import { attemptOfMessage } from "./attempt-message.ts";
import {
  BUILD_METHODS,
  CANCEL_REQUEST,
  GET_ATTEMPT_REQUEST,
  GET_RECIPE_REQUEST,
  LIST_ATTEMPTS_REQUEST,
  REFUSE_REQUEST,
  SUBMIT_REQUEST,
  SUPPORTS_REQUEST,
  WATCH_REQUEST,
  WITHDRAW_REQUEST,
} from "./build-methods.ts";
import { numberOfMessage } from "./node-message.ts";
import type { Peer } from "./peer.ts";
import { messageOfRecipe, recipeOfMessage } from "./recipe-message.ts";
import { callServerStream, callUnary, ClientStream } from "./rpc.ts";
import { buildErrorOf } from "./status.ts";

export class RemoteBuilds implements BuildService {
  readonly supports: BuildServiceSupports;
  readonly #peer: Peer;

  private constructor(peer: Peer, supports: BuildServiceSupports) {
    this.#peer = peer;
    this.supports = supports;
  }

  /** Asks the peer what it can do. */
  static async open(peer: Peer): Promise<RemoteBuilds> {
    return failing(async () => {
      const answer = await callUnary(peer.channel, BUILD_METHODS.supports, SUPPORTS_REQUEST.make({}));
      const {
        systems,
        features,
        isolatesFiles: files,
        isolatesNetwork: network,
        isolatesProcesses: processes,
      } = answer;
      return new RemoteBuilds(peer, { systems, features, isolation: { files, network, processes } });
    });
  }

  async submit(recipes: readonly SubmittedRecipe[], options: SubmitOptions = {}): Promise<readonly string[]> {
    const { signal, lease } = options;
    throwIfAborted(signal);
    const stream = new ClientStream(this.#peer.channel, BUILD_METHODS.submit, this.#peer.rpcOptions({ lease, signal }));
    const { submission, attempts } = await failing(async () => {
      try {
        for (const [i, { recipe, label, chainMs }] of recipes.entries()) {
          const given = i === 0 ? messageOfOptions(options) : undefined;
          await stream.send(
            SUBMIT_REQUEST.make({ options: given, recipe: messageOfRecipe(recipe), label, chainMs: bigOf(chainMs) }),
          );
        }
      } catch (thrown) {
        await stream.finish(); // says why it was cut off
        throw thrown;
      }
      return stream.finish();
    });
    const withdraw = () => {
      const request = WITHDRAW_REQUEST.make({ submission });
      // A peer that is gone has nothing to withdraw, or hears of it from nobody.
      callUnary(this.#peer.channel, BUILD_METHODS.withdraw, request).catch(() => undefined);
    };
    if (signal?.aborted) withdraw();
    else signal?.addEventListener("abort", withdraw, { once: true });
    return attempts;
  }

  async *watch(id: string, { from = 0, log = true, signal }: WatchOptions = {}): AsyncGenerator<AttemptEvent, void> {
    const request = WATCH_REQUEST.make({ id, from: BigInt(from), withoutLog: !log });
    try {
      for await (const { event } of callServerStream(this.#peer.channel, BUILD_METHODS.watch, request, { signal })) {
        if (event.case === "log")
          yield { type: "log", bytes: event.value.bytes, at: numberOfMessage(event.value.at, "an offset") };
        else if (event.case !== undefined) yield { type: event.case, attempt: attemptOfMessage(event.value) };
      }
    } catch (thrown) {
      throw buildErrorOf(thrown);
    }
  }

  async cancel(id: string): Promise<void> {
    await failing(() => callUnary(this.#peer.channel, BUILD_METHODS.cancel, CANCEL_REQUEST.make({ id })));
  }

  async refuse(id: string, { reason, why }: Refusal): Promise<void> {
    await failing(() => callUnary(this.#peer.channel, BUILD_METHODS.refuse, REFUSE_REQUEST.make({ id, reason, why })));
  }

  async get(id: string): Promise<Attempt | undefined> {
    const request = GET_ATTEMPT_REQUEST.make({ id });
    const { attempt } = await failing(() => callUnary(this.#peer.channel, BUILD_METHODS.getAttempt, request));
    return attempt && attemptOfMessage(attempt);
  }

  async list(filter: AttemptFilter = {}): Promise<AttemptPage> {
    const { recipe, label, status, idPrefix, sinceMs, limit, cursor } = filter;
    const request = LIST_ATTEMPTS_REQUEST.make({
      recipe: recipe && bytesOfDigest(recipe),
      label,
      status,
      idPrefix,
      sinceMs: bigOf(sinceMs),
      limit,
      cursor,
    });
    const { attempts, next } = await failing(() => callUnary(this.#peer.channel, BUILD_METHODS.listAttempts, request));
    return { attempts: attempts.map(attemptOfMessage), ...(next === undefined ? {} : { next }) };
  }

  async recipe(digest: Digest): Promise<Recipe | undefined> {
    const request = GET_RECIPE_REQUEST.make({ digest: bytesOfDigest(digest) });
    const { recipe } = await failing(() => callUnary(this.#peer.channel, BUILD_METHODS.getRecipe, request));
    return recipe && recipeOfMessage(recipe);
  }
}

function messageOfOptions(options: SubmitOptions) {
  return {
    reusesSuccess: options.reuse === "success",
    keepsGoing: options.keepGoing,
    prefersLocal: options.preferLocal,
    timeoutMs: bigOf(options.timeoutMs),
    silenceMs: bigOf(options.silenceMs),
    buildSpaceBytes: bigOf(options.buildSpaceBytes),
    memoryBytes: bigOf(options.memoryBytes),
    logBytesMax: bigOf(options.logBytesMax),
  };
}

function bigOf(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(Math.round(value));
}

async function failing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    throw buildErrorOf(thrown);
  }
}
