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
import { bigOfNumber, numberOfMessage } from "./node-message.ts";
import type { Peer } from "./peer.ts";
import { messageOfRecipe, recipeOfMessage } from "./recipe-message.ts";
import { callClientStream, callServerStream, callUnary } from "./rpc.ts";
import { buildErrorOf } from "./status.ts";

export class RemoteBuilds implements BuildService {
  readonly supports: BuildServiceSupports;
  readonly #peer: Peer;
  /** Those with a signal, until each of their attempts was seen to end. */
  readonly #submissions = new Set<{ readonly running: Set<string>; readonly release: () => void }>();

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
    const messages = recipes.values().map(({ recipe, label, chainMs }, i) =>
      SUBMIT_REQUEST.make({
        options: i === 0 ? messageOfOptions(options) : undefined,
        recipe: messageOfRecipe(recipe),
        label,
        chainMs: bigOfNumber(chainMs),
      }),
    );
    const given = this.#peer.rpcOptions({ lease, signal });
    const { submission, attempts } = await failing(() =>
      callClientStream(this.#peer.channel, BUILD_METHODS.submit, messages, given),
    );
    const withdraw = () => {
      const request = WITHDRAW_REQUEST.make({ submission });
      // A peer that is gone has nothing to withdraw, or hears of it from nobody.
      callUnary(this.#peer.channel, BUILD_METHODS.withdraw, request).catch(() => undefined);
    };
    if (signal?.aborted) withdraw();
    else if (signal !== undefined) {
      signal.addEventListener("abort", withdraw, { once: true });
      const release = () => signal.removeEventListener("abort", withdraw);
      this.#submissions.add({ running: new Set(attempts), release });
    }
    return attempts;
  }

  async *watch(id: string, { from = 0, log = true, signal }: WatchOptions = {}): AsyncGenerator<AttemptEvent, void> {
    const request = WATCH_REQUEST.make({ id, from: BigInt(from), withoutLog: !log });
    try {
      for await (const { event } of callServerStream(this.#peer.channel, BUILD_METHODS.watch, request, { signal })) {
        if (event.case === "log")
          yield { type: "log", bytes: event.value.bytes, at: numberOfMessage(event.value.at, "an offset") };
        else if (event.case !== undefined) {
          if (event.case === "ended") this.#ended(id);
          yield { type: event.case, attempt: attemptOfMessage(event.value) };
        }
      }
    } catch (thrown) {
      throw buildErrorOf(thrown);
    }
  }

  /** Nobody withdraws what has ended, so its signal, which may live long, need not be listened to. */
  #ended(id: string): void {
    for (const submission of this.#submissions) {
      if (!submission.running.delete(id) || submission.running.size > 0) continue;
      submission.release();
      this.#submissions.delete(submission);
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
      sinceMs: bigOfNumber(sinceMs),
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
    timeoutMs: bigOfNumber(options.timeoutMs),
    silenceMs: bigOfNumber(options.silenceMs),
    buildSpaceBytes: bigOfNumber(options.buildSpaceBytes),
    memoryBytes: bigOfNumber(options.memoryBytes),
    logBytesMax: bigOfNumber(options.logBytesMax),
  };
}

async function failing<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    throw buildErrorOf(thrown);
  }
}
