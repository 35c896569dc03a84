/*
Builds and fetches for the evaluator's thread: asked of the main thread, and waited for. The answer comes by a port of its own, read without an
event loop once the shared word says that it is there.
*/

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { assert } from "@firn/base";
import { EvalError } from "@firn/eval";
import type { FetchRequest, Realiser, RealiseRequest } from "@firn/glue/evaluation";
import type { WaitAnswer, WaitRequest } from "./job.ts";

export type BlockingRealiserParts = {
  readonly post: (request: WaitRequest) => void;
  readonly answers: MessagePort;
  /** One Int32: 1 when an answer is there. */
  readonly answered: Int32Array;
  /** One Int32: not 0 when the evaluation is to stop. */
  readonly cancelled: Int32Array;
};

export class BlockingRealiser implements Realiser {
  readonly #parts: BlockingRealiserParts;

  constructor(parts: BlockingRealiserParts) {
    this.#parts = parts;
  }

  realise({ objects, outputs }: RealiseRequest): readonly string[] {
    return this.#ask({ kind: "realise", objects, outputs });
  }

  fetch({ url, name, unpack }: FetchRequest): string {
    return this.#ask({ kind: "fetch", url, name, unpack })[0];
  }

  #ask(request: WaitRequest): readonly string[] {
    const { post, answers, answered, cancelled } = this.#parts;
    Atomics.store(answered, 0, 0);
    post(request);
    Atomics.wait(answered, 0, 0);
    if (Atomics.load(cancelled, 0) !== 0) throw new EvalError("cancelled", "interrupted by the user");
    const received: { readonly message: WaitAnswer } | undefined = receiveMessageOnPort(answers);
    assert(received !== undefined, "an answer is there when the word says so");
    const { message } = received;
    if ("error" in message) throw new EvalError("store", message.error);
    return message.paths;
  }
}
