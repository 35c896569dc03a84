/*
The BuildService of this machine: it shows a recipe's inputs as files, lets a sandbox run the program, and takes the outputs into castore,
scanning them for references on the way. Equal recipes submitted while one is under way share its attempt; a failed or finished recipe
submitted again is a new attempt.

Attempts are kept in memory: they do not outlive the process, and of the ended ones only the newest are known. Logs of ended attempts
are blobs. What an attempt holds (lease, exposed trees, build directory) is released when it ends, however it ends.
*/

import { abortable, type ByteString, mapConcurrently, messageOf, throwIfAborted } from "@firn/base";
import {
  type BlobService,
  CastoreError,
  type Digest,
  type DirectoryService,
  type Lease,
  type LeaseService,
  type Node,
  quote,
  type TreeExposer,
  type TreeImporter,
} from "@firn/castore";
import type { Attempt, AttemptEnd, AttemptOutput } from "./attempt.ts";
import { AttemptLog } from "./attempt-log.ts";
import type { AttemptEvent, BuildService, BuildServiceSupports, SubmitOptions } from "./build-service.ts";
import { BuildError } from "./error.ts";
import { JobSlots } from "./job-slots.ts";
import { recipeDigest } from "./recipe-digest.ts";
import { checkRecipe } from "./recipe-rules.ts";
import type { Recipe } from "./recipe.ts";
import { ReferenceScanner } from "./ref-scan.ts";
import type { Sandbox, SandboxJob, SandboxResult } from "./sandbox.ts";

/** How many ended attempts are remembered. */
const ENDED_MAX = 10_000;
/** Presence checks of inputs under way at once. */
const CHECKS_MAX = 16;

export type BuildServiceParts = {
  readonly sandbox: Sandbox;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly exposer: TreeExposer;
  readonly importer: TreeImporter;
  readonly leases: LeaseService;
  /** Nix system names this machine runs. */
  readonly systems: readonly string[];
  readonly features?: readonly string[];
  /** Attempts running at once; more wait, first come, first served. */
  readonly jobsMax: number;
  /** Names this builder in its attempts. */
  readonly builder?: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** An id no attempt had before. */
  readonly newId: () => string;
};

/** A BuildService that runs its attempts in `parts.sandbox`. */
export function createBuildService(parts: BuildServiceParts): BuildService {
  return new LocalBuilder(parts);
}

/** An attempt and what is going on around it. */
type Entry = {
  attempt: Attempt;
  readonly cancelled: AbortController;
  /** The log while the attempt is under way. */
  log: AttemptLog | undefined;
  /** Submissions that were not withdrawn. */
  submissions: number;
  readonly leases: Set<Lease>;
  /** Resolved when the attempt left the queue or ended, and when it ended with everything released. */
  readonly started: PromiseWithResolvers<void>;
  readonly ended: PromiseWithResolvers<void>;
};

/** What an attempt is to do; nothing of it is kept once it is done. */
type Work = {
  readonly recipe: Recipe;
  /** The inputs' nodes, in the recipe's order. */
  readonly nodes: readonly Node[];
  readonly limits: SubmitOptions;
};

class LocalBuilder implements BuildService {
  readonly supports: BuildServiceSupports;
  readonly #parts: BuildServiceParts;
  readonly #slots: JobSlots;
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Map<Digest, Promise<Entry>>();
  /** Outputs of the newest success of each recipe that is still remembered. */
  readonly #built = new Map<Digest, readonly AttemptOutput[]>();

  constructor(parts: BuildServiceParts) {
    this.#parts = parts;
    this.#slots = new JobSlots(parts.jobsMax);
    this.supports = { systems: parts.systems, features: parts.features ?? [], isolation: parts.sandbox.isolation };
  }

  async submit(recipe: Recipe, options: SubmitOptions = {}): Promise<string> {
    throwIfAborted(options.signal);
    checkRecipe(recipe);
    this.#checkSupported(recipe);
    const digest = recipeDigest(recipe);
    let underWay = this.#underWay.get(digest);
    if (underWay === undefined) {
      underWay = this.#start(recipe, digest, options);
      this.#underWay.set(digest, underWay);
      const forget = () => this.#underWay.delete(digest);
      underWay.then((entry) => entry.ended.promise).then(forget, forget);
    }
    const entry = await underWay;
    if (entry.cancelled.signal.aborted) {
      await abortable(entry.ended.promise, options.signal); // cancelled for others: this submission deserves its own
      return this.submit(recipe, options);
    }
    this.#join(entry, options);
    return entry.attempt.id;
  }

  async *watch(
    id: string,
    options: { readonly from?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<AttemptEvent> {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new BuildError("unknown-attempt", `no attempt ${JSON.stringify(id)} is known`);
    await abortable(entry.started.promise, options.signal);
    const log = entry.log;
    yield { type: "started", attempt: entry.attempt };
    let at = options.from ?? 0;
    if (log === undefined) {
      const reader = entry.attempt.log && (await this.#parts.blobs.openRead(entry.attempt.log, options));
      if (reader) {
        await using held = reader;
        for await (const bytes of held.stream(at)) {
          at += bytes.length;
          yield { type: "log", bytes, at };
        }
      }
    }
    while (log !== undefined) {
      const changed = log.changed();
      for (let bytes = log.read(at); bytes !== undefined; bytes = log.read(at)) {
        at += bytes.length;
        yield { type: "log", bytes, at };
      }
      if (log.closed && at >= log.length) break;
      if (!log.closed) await abortable(changed, options.signal);
    }
    await abortable(entry.ended.promise, options.signal);
    yield { type: "ended", attempt: entry.attempt };
  }

  async cancel(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.cancelled.abort(new Error("cancelled"));
    await entry.ended.promise;
  }

  async get(id: string): Promise<Attempt | undefined> {
    return this.#entries.get(id)?.attempt;
  }

  async *list(filter: { readonly recipe?: Digest; readonly limit?: number } = {}): AsyncGenerator<Attempt> {
    let left = filter.limit ?? Number.POSITIVE_INFINITY;
    for (const { attempt } of Array.from(this.#entries.values()).reverse()) {
      if (filter.recipe !== undefined && attempt.recipe !== filter.recipe) continue;
      if (left-- <= 0) return;
      yield attempt;
    }
  }

  #checkSupported({ constraints }: Recipe): void {
    if (!this.supports.systems.includes(constraints.system)) {
      const message = `a '${constraints.system}' is needed to build this, here is only: ${this.supports.systems.join(", ")}`;
      throw new BuildError("unsupported", message, { context: { system: constraints.system } });
    }
    const missing = constraints.features.filter((feature) => !this.supports.features.includes(feature));
    if (missing.length > 0) {
      const message = `a builder with these features is needed: ${missing.join(", ")}; here are: ${this.supports.features.join(", ") || "none"}`;
      throw new BuildError("unsupported", message, { context: { features: missing.join(" ") } });
    }
  }

  #join(entry: Entry, options: SubmitOptions): void {
    entry.submissions++;
    if (options.lease !== undefined) entry.leases.add(options.lease);
    const { signal } = options;
    if (signal === undefined) return;
    const withdraw = () => {
      if (--entry.submissions === 0) entry.cancelled.abort(signal.reason);
    };
    if (signal.aborted) return withdraw();
    signal.addEventListener("abort", withdraw, { once: true });
    void entry.ended.promise.then(() => signal.removeEventListener("abort", withdraw));
  }

  /** Checks that the inputs are there, then lets the attempt run. */
  async #start(recipe: Recipe, digest: Digest, limits: SubmitOptions): Promise<Entry> {
    const label = limits.label ?? digest.slice(0, 12);
    const lease = await this.#parts.leases.openLease(`build ${label}`);
    try {
      const nodes = this.#resolveInputs(recipe);
      await mapConcurrently(nodes, CHECKS_MAX, (node, signal) => this.#requireInput(node, lease, signal));
      const id = this.#parts.newId();
      const builder = this.#parts.builder ?? this.#parts.sandbox.name;
      const startedAtMs = this.#parts.now();
      const entry: Entry = {
        attempt: { id, recipe: digest, builder, status: "running", startedAtMs, outputs: [] },
        cancelled: new AbortController(),
        log: new AttemptLog(),
        submissions: 0,
        leases: new Set(),
        started: Promise.withResolvers(),
        ended: Promise.withResolvers(),
      };
      this.#entries.set(id, entry);
      void this.#run(entry, { recipe, nodes, limits }, lease);
      return entry;
    } catch (thrown) {
      await lease.release();
      throw thrown;
    }
  }

  #resolveInputs(recipe: Recipe): readonly Node[] {
    return recipe.inputs.map((input) => {
      if ("node" in input) return input.node;
      const output = this.#built.get(input.recipe)?.[input.output];
      if (output !== undefined) return output.node;
      const message = `the input ${quote(input.path)} is output ${input.output} of recipe ${input.recipe}, which was not built here`;
      throw new BuildError("missing-input", message, { context: { recipe: input.recipe, output: input.output } });
    });
  }

  async #requireInput(node: Node, lease: Lease, signal: AbortSignal): Promise<void> {
    if (await this.#hold(node, { lease, signal })) return;
    const digest = node.kind === "symlink" ? "" : node.digest;
    throw new BuildError("missing-input", `the ${node.kind} ${digest} is not in the store`, { context: { digest } });
  }

  /** Whether the node is in the store; then the lease holds it. */
  async #hold(node: Node, options: { readonly lease: Lease; readonly signal?: AbortSignal }): Promise<boolean> {
    if (node.kind === "symlink") return true;
    return await (node.kind === "file" ? this.#parts.blobs : this.#parts.directories).has(node.digest, options);
  }

  /** Takes the attempt from the queue to its end. Never rejects. */
  async #run(entry: Entry, work: Work, lease: Lease): Promise<void> {
    const signal = entry.cancelled.signal;
    let outcome: Outcome;
    try {
      await this.#slots.take(signal);
      try {
        entry.attempt = { ...entry.attempt, startedAtMs: this.#parts.now() };
        entry.started.resolve();
        outcome = await this.#execute(entry, work, lease);
      } finally {
        this.#slots.release();
      }
    } catch (thrown) {
      outcome = { end: endOfFailure(thrown, signal), outputs: [] };
    }
    await this.#finish(entry, outcome, lease);
  }

  async #execute(entry: Entry, { recipe, nodes, limits }: Work, lease: Lease): Promise<Outcome> {
    const signal = entry.cancelled.signal;
    await using exposed = await this.#parts.exposer.expose(nodes, { lease, signal });
    const job: SandboxJob = {
      inputs: recipe.inputs.map(({ path }, index) => ({ path, hostPath: exposed.hostPaths[index] })),
      argv: recipe.argv,
      argv0: recipe.argv0,
      env: recipe.env,
      files: recipe.files,
      workingDirectory: recipe.workingDirectory,
      outputs: recipe.outputs,
      network: recipe.constraints.network,
      shell: recipe.constraints.shell,
      timeoutMs: limits.timeoutMs,
      silenceMs: limits.silenceMs,
      buildSpaceBytes: limits.buildSpaceBytes,
      memoryBytes: limits.memoryBytes,
      logBytesMax: limits.logBytesMax,
    };
    await using run = await this.#parts.sandbox.run(job, (bytes) => entry.log?.append(bytes), signal);
    if (run.result.end.reason !== "succeeded") return { end: run.result.end, outputs: [], usage: run.result };
    return { ...(await this.#importOutputs(recipe, run.result, lease, signal)), usage: run.result };
  }

  async #importOutputs(recipe: Recipe, result: SandboxResult, lease: Lease, signal: AbortSignal): Promise<Outcome> {
    const missing = result.outputs.indexOf(undefined);
    if (missing >= 0) return { end: { reason: "output-missing", path: recipe.outputs[missing] }, outputs: [] };
    const outputs: AttemptOutput[] = [];
    for (const [index, path] of recipe.outputs.entries()) {
      const hostPath = result.outputs[index] as string;
      const scanner = new ReferenceScanner(recipe.needles);
      try {
        const node = await this.#parts.importer.importTree(hostPath, { observer: scanner, lease, signal });
        outputs.push({ path, node, needles: scanner.found() });
      } catch (thrown) {
        const end = refusal(thrown, path, hostPath);
        if (end === undefined) throw thrown;
        return { end, outputs: [] };
      }
    }
    return { end: { reason: "succeeded" }, outputs };
  }

  /** Keeps log and outcome, releases, and wakes everyone. */
  async #finish(entry: Entry, outcome: Outcome, lease: Lease): Promise<void> {
    const log = entry.log as AttemptLog;
    let { end, outputs } = outcome;
    let logDigest: Digest | undefined;
    try {
      logDigest = await this.#keepLog(log, lease);
      for (const holder of entry.leases) await this.#holdFor(holder, logDigest, outputs);
    } catch (thrown) {
      if (end.reason === "succeeded") end = { reason: "infrastructure", why: `storing the log: ${messageOf(thrown)}` };
    }
    if (end.reason !== "succeeded") outputs = [];
    entry.attempt = {
      ...entry.attempt,
      status: end.reason === "succeeded" ? "succeeded" : "failed",
      endedAtMs: this.#parts.now(),
      end,
      cpuUserMs: outcome.usage?.cpuUserMs,
      cpuSystemMs: outcome.usage?.cpuSystemMs,
      memoryPeakBytes: outcome.usage?.memoryPeakBytes,
      ioReadBytes: outcome.usage?.ioReadBytes,
      ioWriteBytes: outcome.usage?.ioWriteBytes,
      log: logDigest,
      logBytes: logDigest === undefined ? undefined : log.length,
      outputs,
    };
    if (end.reason === "succeeded") this.#built.set(entry.attempt.recipe, outputs);
    await lease.release().catch(() => {}); // a lease that cannot be released becomes stale by itself
    log.close();
    entry.started.resolve();
    entry.ended.resolve();
    entry.log = undefined; // watchers that are under way hold it themselves
    this.#forgetOldest();
  }

  async #keepLog(log: AttemptLog, lease: Lease): Promise<Digest> {
    await using writer = this.#parts.blobs.openWrite({ lease });
    let at = 0;
    for (let bytes = log.read(at); bytes !== undefined; bytes = log.read(at)) {
      await writer.write(bytes);
      at += bytes.length;
    }
    return await writer.close();
  }

  /** A lease that ended meanwhile holds nothing any more, which is its owner's wish. */
  async #holdFor(lease: Lease, log: Digest, outputs: readonly AttemptOutput[]): Promise<void> {
    try {
      await this.#parts.blobs.has(log, { lease });
      for (const { node } of outputs) await this.#hold(node, { lease });
    } catch (thrown) {
      if (!(thrown instanceof CastoreError && thrown.code === "closed")) throw thrown;
    }
  }

  #forgetOldest(): void {
    if (this.#entries.size <= ENDED_MAX) return;
    for (const [id, entry] of this.#entries) {
      if (entry.attempt.status === "running") continue;
      this.#entries.delete(id);
      if (this.#built.get(entry.attempt.recipe) === entry.attempt.outputs) this.#built.delete(entry.attempt.recipe);
      return;
    }
  }
}

type Outcome = {
  readonly end: AttemptEnd;
  readonly outputs: readonly AttemptOutput[];
  readonly usage?: SandboxResult;
};

function endOfFailure(thrown: unknown, signal: AbortSignal): AttemptEnd {
  if (signal.aborted) return { reason: "cancelled" };
  return { reason: "infrastructure", why: messageOf(thrown) };
}

/** What the importer says about the output's contents is the builder's fault; the rest is not. */
function refusal(thrown: unknown, path: ByteString, hostPath: string): AttemptEnd | undefined {
  if (!(thrown instanceof CastoreError)) return undefined;
  if (thrown.code !== "unsupported-file" && thrown.code !== "limit" && thrown.code !== "invalid-name") return undefined;
  return { reason: "output-refused", path, why: thrown.message.replaceAll(hostPath, `/${path}`) };
}
