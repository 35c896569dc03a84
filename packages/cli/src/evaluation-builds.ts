/*
What evaluations wait for, done on the main thread: objects written, outputs built, addresses fetched. All of it is held by one lease at least until
the evaluation is over, so that nothing vanishes between being built and being read.
*/

import { byteStringOfText, FirnError } from "@firn/base";
import type { Lease } from "@firn/castore";
import { fetchToStore, writePending } from "@firn/glue";
import type { WaitRequest } from "./evaluator/job.ts";
import { NodeFetcher } from "./node-fetcher.ts";
import { Realiser, type RealiseOptions } from "./realise.ts";
import type { Session } from "./session.ts";

export class EvaluationBuilds implements AsyncDisposable {
  readonly #session: Session;
  readonly #builds: RealiseOptions | Realiser;
  readonly #fetcher = new NodeFetcher();
  #lease: Lease | undefined;
  #ownLease: Lease | undefined;
  #ownRealiser: Realiser | undefined;

  /** `builds`: what builds, or how. `lease` holds everything; without one a lease is opened, and ended with this. */
  constructor(session: Session, builds: RealiseOptions | Realiser, lease?: Lease) {
    this.#lease = lease;
    this.#session = session;
    this.#builds = builds;
  }

  /** Does it; yields the paths of the outputs in their order, or the one of what was fetched. Throws what failed. */
  async answer(request: WaitRequest): Promise<readonly string[]> {
    const { config, signal } = this.#session;
    const store = await this.#session.openStore();
    this.#lease ??= this.#ownLease = await store.leases.openLease("evaluation");
    const options = { storeDir: config.storeDir, lease: this.#lease, signal, now: Date.now };
    if (request.kind === "fetch") return [await fetchToStore(request, store, this.#fetcher, options)];
    await writePending(request.objects, store, { ...options, fetcher: this.#fetcher });
    const targets = request.outputs.map(({ drvPath, output, path }) => ({
      attrPath: "",
      name: output,
      drvPath,
      outputs: [{ name: output, path }],
      outputName: output,
    }));
    if (targets.length === 0) return [];
    const built = await this.#realiser(this.#lease).realise([targets]);
    return targets.map(({ drvPath, outputName }) => built.get(drvPath)?.get(outputName) as string);
  }

  #realiser(lease: Lease): Realiser {
    if (this.#builds instanceof Realiser) return this.#builds;
    this.#ownRealiser ??= new Realiser(this.#builds, this.#session, lease);
    return this.#ownRealiser;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ownRealiser?.[Symbol.dispose]();
    await this.#ownLease?.[Symbol.asyncDispose]();
  }
}

/** What to tell the evaluation of something that was thrown: a message as byte string; undefined for a bug, which is no answer. */
export function failureText(thrown: unknown): string | undefined {
  return thrown instanceof FirnError ? byteStringOfText(thrown.message) : undefined;
}
