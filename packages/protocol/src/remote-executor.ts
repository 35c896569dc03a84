/*
A peer's builder as an executor: inputs go there, the log comes as it is written, outputs come back, and what is cancelled here is withdrawn there. What the peer
remembers of it is its own; here the attempt is an attempt like others. A connection that breaks is made again, and the log goes on where it was.

Contents are checked when they come. That they are what the recipe makes, and which needles are in them, is the builder's word: name only builders that you believe.
*/

import { assert } from "@firn/base";
import {
  type Attempt,
  BuildError,
  type BuildService,
  type BuildServiceSupports,
  type ExecutionOptions,
  type Executor,
  hasEnded,
  limitsOf,
  type Outcome,
  proxiedBuildService,
  type Recipe,
  type TiedRecipe,
} from "@firn/build";
import type { CastoreServices, Lease } from "@firn/castore";
import { Progress } from "./bulk-copy.ts";
import type { Peer } from "./peer.ts";
import { pullNodes } from "./pull-nodes.ts";
import { pushNodes } from "./push-nodes.ts";
import { RemoteBuilds } from "./remote-builds.ts";
import { buildErrorOf } from "./status.ts";

/** How long a peer may take to end what was withdrawn. */
const WITHDRAWAL_MS = 10_000;

export class RemoteExecutor implements Executor {
  readonly supports: BuildServiceSupports;
  readonly #peer: Peer;
  readonly #near: CastoreServices;
  readonly #builds: BuildService;

  private constructor(peer: Peer, near: CastoreServices, supports: BuildServiceSupports) {
    this.#peer = peer;
    this.#near = near;
    this.supports = supports;
    this.#builds = proxiedBuildService(() => RemoteBuilds.open(peer), { supports });
  }

  /** Asks the peer what it can do. Inputs are in `near`, and outputs come there. Throws BuildError when it builds for nobody, or is not there. */
  static async open(peer: Peer, near: CastoreServices): Promise<RemoteExecutor> {
    return new RemoteExecutor(peer, near, (await RemoteBuilds.open(peer)).supports);
  }

  get name(): string {
    return this.#peer.channel.label;
  }

  get isolation(): BuildServiceSupports["isolation"] {
    return this.supports.isolation;
  }

  async execute(recipe: TiedRecipe, options: ExecutionOptions): Promise<Outcome> {
    const { lease, signal, turn } = options;
    try {
      if (turn !== undefined && !(await turn.begin())) return { end: { reason: "cancelled" }, outputs: [] };
      await using far = await this.#peer.openLease(`build ${options.label}`);
      const inputs = recipe.inputs.map(({ node }) => node);
      await pushNodes(inputs, this.#near, this.#peer, { signal, lease: far }, new Progress({}));
      const attempt = await this.#build(recipe, far, options);
      const { cpuUserMs, cpuSystemMs, memoryPeakBytes, ioReadBytes, ioWriteBytes } = attempt;
      const usage = { cpuUserMs, cpuSystemMs, memoryPeakBytes, ioReadBytes, ioWriteBytes };
      const end = attempt.end;
      assert(end !== undefined, "an attempt that ended says how");
      if (end.reason === "cancelled" && !signal.aborted)
        return { end: { reason: "infrastructure", why: `${this.name} cancelled it` }, outputs: [], usage };
      if (end.reason !== "succeeded") return { end, outputs: [], usage };
      const outputs = this.#checkedOutputs(attempt, recipe);
      const nodes = outputs.map(({ node }) => node);
      await pullNodes(nodes, this.#peer, this.#near, { signal, lease }, new Progress({}));
      return { end, outputs, usage };
    } catch (thrown) {
      throw buildErrorOf(thrown);
    }
  }

  /** The attempt, when it has ended there. */
  async #build(recipe: Recipe, far: Lease, options: ExecutionOptions): Promise<Attempt> {
    const { signal, label, onLog } = options;
    const [id] = await this.#builds.submit([{ recipe, label }], { ...limitsOf(options), lease: far, signal });
    const deaf = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onAbort = () => {
      timer = setTimeout(() => deaf.abort(signal.reason), WITHDRAWAL_MS);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const event of this.#builds.watch(id, { signal: deaf.signal })) {
        if (event.type === "log") onLog(event.bytes);
        if (event.type === "ended" && hasEnded(event.attempt)) return event.attempt;
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    }
    throw new BuildError("sandbox", `${this.name} stopped reporting on attempt ${id} before it ended`);
  }

  #checkedOutputs({ outputs }: Attempt, { outputs: paths, needles }: TiedRecipe): Attempt["outputs"] {
    const isOne = ({ path, needles: found }: Attempt["outputs"][number], i: number) =>
      path === paths[i] && found.every((needle) => needle < needles.length);
    if (outputs.length === paths.length && outputs.every(isOne)) return outputs;
    throw new BuildError("sandbox", `${this.name} answered with outputs that the recipe does not have`);
  }
}
