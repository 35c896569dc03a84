/*
One execution of a recipe whose inputs are all nodes: these are shown as files, a sandbox runs the program, and the outputs are taken into castore
and scanned for references on the way. What a run needs (exposed trees, build directory) is released when it ends, however it ends.
*/

import { FirnError, type ByteString } from "@firn/base";
import { CastoreError, type CastoreServices, type Lease, type TreeExposer, type TreeImporter } from "@firn/castore";
import type { AttemptEnd, AttemptOutput, AttemptUsage } from "./attempt.ts";
import { type AttemptLimits, type BuildServiceSupports, limitsOf } from "./build-service.ts";
import { ReferenceScanner } from "./ref-scan.ts";
import type { Sandbox, SandboxJob, SandboxResult, Turn } from "./sandbox.ts";
import type { TiedRecipe } from "./recipe-graph.ts";

export type ExecutionParts = CastoreServices & {
  readonly sandbox: Sandbox;
  readonly exposer: TreeExposer;
  readonly importer: TreeImporter;
};

export type ExecutionOptions = AttemptLimits & {
  /** The attempt's, for listings elsewhere. */
  readonly label: string;
  readonly lease: Lease | undefined;
  readonly signal: AbortSignal;
  /** Gets what the program says; the buffers are the caller's. */
  readonly onLog: (bytes: Uint8Array) => void;
  /** At once where it is missing. */
  readonly turn?: Turn;
};

export type Outcome = {
  readonly end: AttemptEnd;
  readonly outputs: readonly AttemptOutput[];
  readonly usage?: AttemptUsage;
};

/** Who executes recipes: a sandbox of this machine, or somebody elsewhere. Records, logs and turns are not its business. */
export interface Executor {
  readonly name: string;
  readonly isolation: BuildServiceSupports["isolation"];

  /**
   * Executes a recipe whose inputs are in the store, and puts what came out there, held by the lease. Nothing of it runs when this resolves; the
   * signal ends it. Rejects for what is not the recipe's fault.
   */
  execute(recipe: TiedRecipe, options: ExecutionOptions): Promise<Outcome>;
}

/** This machine, through a sandbox. */
export function sandboxExecutor(parts: ExecutionParts): Executor {
  const { name, isolation } = parts.sandbox;
  return { name, isolation, execute: (recipe, options) => execute(recipe, parts, options) };
}

async function execute(recipe: TiedRecipe, parts: ExecutionParts, options: ExecutionOptions): Promise<Outcome> {
  const { lease, signal } = options;
  const nodes = recipe.inputs.map(({ node }) => node);
  await using exposed = await parts.exposer.expose(nodes, { lease, signal });
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
    sandboxed: recipe.constraints.sandboxed,
    ...limitsOf(options),
  };
  await using run = await parts.sandbox.run(job, options.onLog, signal, options.turn);
  const { end, outputs: _, ...usage } = run.result;
  if (end.reason !== "succeeded") return { end, outputs: [], usage };
  return { ...(await importOutputs(recipe, run.result, parts.importer, options)), usage };
}

/** Whether the same execution may well succeed when it is tried again. */
export function mayPass(thrown: unknown): boolean {
  return thrown instanceof FirnError && (thrown.retryable || thrown.code === "sandbox");
}

async function importOutputs(
  recipe: TiedRecipe,
  result: SandboxResult,
  importer: TreeImporter,
  { lease, signal }: ExecutionOptions,
): Promise<Outcome> {
  const missing = result.outputs.indexOf(undefined);
  if (missing >= 0) return { end: { reason: "output-missing", path: recipe.outputs[missing] }, outputs: [] };
  const outputs: AttemptOutput[] = [];
  for (const [index, path] of recipe.outputs.entries()) {
    const hostPath = result.outputs[index] as string;
    const scanner = new ReferenceScanner(recipe.needles);
    try {
      const node = await importer.importTree(hostPath, { observer: scanner, lease, signal });
      outputs.push({ path, node, needles: scanner.found() });
    } catch (thrown) {
      const end = refusalOf(thrown, path, hostPath);
      if (end === undefined) throw thrown;
      return { end, outputs: [] };
    }
  }
  return { end: { reason: "succeeded" }, outputs };
}

/** What the importer says about the output's contents is the builder's fault; the rest is not. */
function refusalOf(thrown: unknown, path: ByteString, hostPath: string): AttemptEnd | undefined {
  if (!(thrown instanceof CastoreError)) return undefined;
  if (thrown.code !== "unsupported-file" && thrown.code !== "limit" && thrown.code !== "invalid-name") return undefined;
  return { reason: "output-refused", path, why: thrown.message.replaceAll(hostPath, `/${path}`) };
}
