/*
The evaluator's thread, seen from the main one. Evaluation is synchronous and recurses deeply, so it has a thread of its own with a big
stack; this side starts it, hands it jobs one at a time, and passes on what it posts meanwhile.
*/

import { MessageChannel, Worker } from "node:worker_threads";
import { FirnError } from "@firn/base";
import type { PendingObject } from "@firn/glue";
import type {
  EvalStatistics,
  EvaluatedDerivation,
  NoteKind,
  WorkerRequest,
  EvalJob,
  EvalResult,
  EvaluatorSettings,
  FailureData,
  WorkerMessage,
  WorkerStart,
  WaitAnswer,
  WaitRequest,
} from "./job.ts";

declare const __FIRN_BUNDLED__: boolean | undefined;

const STACK_MEGABYTES = 256;
/** Three semi-spaces of the size that the launcher asks for. */
const YOUNG_GENERATION_MEGABYTES = 48;
const OLD_GENERATION_MEGABYTES = 16_384;

/** An evaluation that failed. `code` is an EvalErrorCode; `message` is ready to be shown, a byte string. */
export class EvalFailure extends FirnError {
  readonly data: FailureData;
  constructor(data: FailureData) {
    super(data.code, data.message);
    this.data = data;
  }
}

export type RequestOptions = {
  readonly signal?: AbortSignal;
  /** Gets what the evaluation wants stored; without it nothing is posted. */
  readonly onPending?: (objects: readonly PendingObject[]) => void;
  /** Gets derivations as they are found, each after what it wants stored; they are all in the result as well. Only with `onPending`. */
  readonly onDerivation?: (derivation: EvaluatedDerivation) => void;
  /** `info` is whole lines, the last newline included. */
  readonly onLog?: (kind: NoteKind, text: string, about?: FailureData) => void;
  /**
   * Does what the evaluation waits for. When it throws, the evaluation fails with what was thrown. It is not told to stop: it should hear the same signal.
   * Without it nothing can be built.
   */
  readonly onWait?: (request: WaitRequest) => Promise<WaitAnswer>;
};

export class EvaluatorHost {
  readonly #worker: Worker;
  readonly #cancelWord = new SharedArrayBuffer(4);
  readonly #answers = new MessageChannel();
  readonly #answeredWord = new SharedArrayBuffer(4);
  #busy = false;
  #ended = false;

  constructor(settings: EvaluatorSettings) {
    const bundled = typeof __FIRN_BUNDLED__ !== "undefined";
    const { port1: answers } = this.#answers;
    const start: WorkerStart = {
      settings,
      cancelWord: this.#cancelWord,
      answers,
      answeredWord: this.#answeredWord,
    };
    this.#worker = new Worker(new URL(bundled ? "eval-worker.cjs" : "worker.ts", import.meta.url), {
      workerData: start,
      transferList: [answers],
      resourceLimits: {
        stackSizeMb: STACK_MEGABYTES,
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MEGABYTES,
        maxOldGenerationSizeMb: OLD_GENERATION_MEGABYTES,
      },
    });
    this.#worker.once("exit", () => {
      this.#ended = true;
    });
  }

  /** Runs one job. Rejects with EvalFailure, or with the signal's reason. Jobs must not overlap. */
  request(job: EvalJob, options: RequestOptions = {}): Promise<EvalResult> {
    if (this.#busy) throw new Error("an evaluation is under way");
    // A thread that is gone answers nothing.
    if (this.#ended) return Promise.reject(new Error("the evaluator's thread has ended"));
    this.#busy = true;
    const { signal, onPending, onDerivation, onLog, onWait } = options;
    let fatal: { readonly thrown: unknown } | undefined;
    const cancel = new Int32Array(this.#cancelWord);
    return new Promise<EvalResult>((resolve, reject) => {
      const settle = (finish: () => void) => {
        // One by one: the worker has listeners of its own, without which its next message is never delivered.
        this.#worker.off("message", onMessage).off("error", onError).off("exit", onExit);
        signal?.removeEventListener("abort", onAbort);
        this.#busy = false;
        finish();
      };
      const onAbort = () => Atomics.store(cancel, 0, 1);
      const onMessage = (message: WorkerMessage) => {
        switch (message.type) {
          case "pending":
            onPending?.(message.objects);
            return;
          case "derivation":
            onDerivation?.(message.derivation);
            return;
          case "wait":
            void this.#answer(message.request, onWait).catch((thrown: unknown) => {
              fatal ??= { thrown };
            });
            return;
          case "log":
            onLog?.(message.kind, message.text, message.about);
            return;
          case "statistics":
            return;
          case "result":
            return settle(() => resolve(message.result));
          case "failure":
            return settle(() =>
              reject(signal?.aborted ? signal.reason : (fatal?.thrown ?? new EvalFailure(message.failure))),
            );
        }
      };
      const onError = (thrown: Error & { code?: string }) => settle(() => reject(workerFailure(thrown)));
      const onExit = () => settle(() => reject(new Error("the evaluator's thread ended by itself")));
      this.#worker.on("message", onMessage).on("error", onError).on("exit", onExit);
      signal?.addEventListener("abort", onAbort, { once: true });
      Atomics.store(cancel, 0, signal?.aborted ? 1 : 0);
      const request: WorkerRequest = { job, collect: onPending !== undefined };
      this.#worker.postMessage(request);
    });
  }

  /** What the jobs so far did, as far as the settings said to count it. To be asked once, between jobs. */
  statistics(): Promise<EvalStatistics | undefined> {
    if (this.#ended || this.#busy) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        this.#worker.off("message", onMessage).off("exit", onExit);
        finish();
      };
      const onMessage = (message: WorkerMessage) => {
        if (message.type === "statistics") settle(() => resolve(message.statistics));
      };
      const onExit = () => settle(() => reject(new Error("the evaluator's thread ended by itself")));
      this.#worker.on("message", onMessage).on("exit", onExit);
      const request: WorkerRequest = "statistics";
      this.#worker.postMessage(request);
    });
  }

  /** Wakes the thread, whatever happened. Throws what is not an answer. */
  async #answer(request: WaitRequest, onWait: RequestOptions["onWait"]): Promise<void> {
    let answer: WaitAnswer = { error: "nothing can be built or fetched here" };
    try {
      if (onWait !== undefined) answer = await onWait(request);
    } finally {
      this.#answers.port2.postMessage(answer);
      const answered = new Int32Array(this.#answeredWord);
      Atomics.store(answered, 0, 1);
      Atomics.notify(answered, 0);
    }
  }

  async close(): Promise<void> {
    this.#answers.port2.close();
    await this.#worker.terminate();
  }
}

function workerFailure(thrown: Error & { code?: string }): Error {
  if (thrown.code !== "ERR_WORKER_OUT_OF_MEMORY") return thrown;
  const summary = `the evaluation needs more than ${OLD_GENERATION_MEGABYTES} MB of memory`;
  return new EvalFailure({ code: "limit", summary, message: `error: ${summary}` });
}
