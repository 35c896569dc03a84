/*
What builders ask of a store and of each other before and after an attempt: that a recipe can be executed, that its inputs are there, that outputs
still are, and that all of it stays for who wants it.
*/

import { mapConcurrently } from "@firn/base";
import {
  type CallOptions,
  CastoreError,
  type CastoreServices,
  hasNode,
  type Lease,
  type Node,
  type SymlinkNode,
} from "@firn/castore";
import type { Attempt } from "./attempt.ts";
import type { BuildServiceSupports } from "./build-service.ts";
import { BuildError } from "./error.ts";
import type { Recipe } from "./recipe.ts";

/** Presence checks under way at once. */
const CHECKS_MAX = 16;

/** Whether builders of this kind can do what a recipe's constraints ask. */
export function isSupported({ constraints }: Pick<Recipe, "constraints">, supports: BuildServiceSupports): boolean {
  const { system, features } = constraints;
  return supports.systems.includes(system) && features.every((feature) => supports.features.includes(feature));
}

/** Throws `unsupported` unless one of them can. */
export function requireSupport(recipe: Recipe, all: readonly BuildServiceSupports[]): void {
  if (all.some((supports) => isSupported(recipe, supports))) return;
  const { system, features } = recipe.constraints;
  const systems = new Set(all.flatMap((supports) => supports.systems));
  if (!systems.has(system)) {
    const message = `a '${system}' is needed to build this, here is only: ${[...systems].join(", ")}`;
    throw new BuildError("unsupported", message, { context: { system } });
  }
  const known = new Set(all.flatMap((supports) => supports.features));
  const message = `a builder with these features is needed: ${features.join(", ")}; here are: ${[...known].join(", ") || "none"}`;
  throw new BuildError("unsupported", message, { context: { features: features.join(" ") } });
}

/** Throws `missing-input` for an input of a recipe that is not in the store; the others are held. What several recipes need is asked for once. */
export async function requireInputs(
  recipes: Iterable<Pick<Recipe, "inputs">>,
  services: CastoreServices,
  options: CallOptions,
): Promise<void> {
  const nodes = new Map<string, Exclude<Node, SymlinkNode>>();
  for (const { inputs } of recipes)
    for (const input of inputs)
      if ("node" in input && input.node.kind !== "symlink")
        nodes.set(`${input.node.kind} ${input.node.digest}`, input.node);
  await mapConcurrently(
    nodes.values(),
    CHECKS_MAX,
    async (node, signal) => {
      if (await hasNode(node, services, { ...options, signal })) return;
      const { kind, digest } = node;
      throw new BuildError("missing-input", `the ${kind} ${digest} is not in the store`, { context: { digest } });
    },
    options.signal,
  );
}

/** Whether all outputs are in the store; then they are held. */
export async function holdOutputs(attempt: Attempt, services: CastoreServices, options: CallOptions): Promise<boolean> {
  const held = await Promise.all(attempt.outputs.map(({ node }) => hasNode(node, services, options)));
  return !held.includes(false);
}

/** Has outputs and log held by every lease that is still open. */
export async function holdForAll(attempt: Attempt, services: CastoreServices, leases: Iterable<Lease>): Promise<void> {
  for (const lease of leases) {
    try {
      if (attempt.log !== undefined) await services.blobs.has(attempt.log, { lease });
      await holdOutputs(attempt, services, { lease });
    } catch (thrown) {
      // A lease that ended meanwhile holds nothing any more, which is its owner's wish.
      if (!(thrown instanceof CastoreError && thrown.code === "closed")) throw thrown;
    }
  }
}
