/*
Answers to what evaluations wait for, with the means to do it opened only when an evaluation does wait: few build or fetch anything.
*/

import { availableParallelism } from "node:os";
import type { Lease } from "@firn/castore";
import type { EvaluationBuilds } from "./evaluation-builds.ts";
import type { WaitAnswer, WaitRequest } from "./evaluator/job.ts";
import type { Realiser, RealiseOptions } from "./realise.ts";
import type { Session } from "./session.ts";

/** How outputs that an evaluation reads are built, where no flags say it. */
const DEFAULT_REALISE_OPTIONS: RealiseOptions = {
  sandbox: "auto",
  jobsMax: availableParallelism(),
  cores: availableParallelism(),
  buildSpaceBytes: undefined,
  timeoutMs: undefined,
  silenceMs: undefined,
  keepGoing: false,
  quiet: false,
  printLogs: false,
};

export type WaitOptions = {
  /** How outputs are built, where flags say it, or what builds all the command asks for. */
  readonly realise?: RealiseOptions | Realiser | undefined;
  /** Holds what was built or fetched; without one it is held until the waits are disposed. */
  readonly lease?: Lease;
};

/** For the time of one or more evaluations. */
export class EvaluationWaits implements AsyncDisposable {
  readonly #session: Session;
  readonly #options: WaitOptions;
  #builds: EvaluationBuilds | undefined;

  constructor(session: Session, options: WaitOptions = {}) {
    this.#session = session;
    this.#options = options;
  }

  /** For EvaluatorHost. Expected failures are answers; bugs and the signal's reason are thrown. */
  readonly onWait = async (request: WaitRequest): Promise<WaitAnswer> => {
    const { EvaluationBuilds, failureText } = await import("./evaluation-builds.ts");
    const { realise = DEFAULT_REALISE_OPTIONS, lease } = this.#options;
    this.#builds ??= new EvaluationBuilds(this.#session, realise, lease);
    try {
      return { paths: await this.#builds.answer(request) };
    } catch (thrown) {
      const error = failureText(thrown);
      if (error === undefined || this.#session.signal.aborted) throw thrown;
      return { error };
    }
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#builds?.[Symbol.asyncDispose]();
  }
}
