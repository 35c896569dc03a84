/*
`builtin:fetchurl` as a builder: what `<nix/fetchurl.nix>` makes derivations for. The builder is part of Firn, so nothing runs in a sandbox; the
output is checked like any fixed output. Follows builtinFetchurl of C++ Nix.
*/

import type { Recipe } from "@firn/build";
import type { CallOptions, Node } from "@firn/castore";
import { derivationKind } from "@firn/nix-compat";
import { ingestNar, StoreError } from "@firn/store";
import type { BuildStep } from "./build-plan.ts";
import { DerivationAttributes, FETCHURL_BUILDER } from "./derivation-attributes.ts";
import { GlueError } from "./error.ts";
import { fetchFile } from "./fetch-to-store.ts";
import type { Fetcher } from "./fetcher.ts";
import type { OutputPaths } from "./realised-outputs.ts";
import { registerOutputs, type RegisterParts } from "./register-outputs.ts";

/** Fetches and registers the output. Throws `fetch-failed`, `hash-mismatch` or `invalid-derivation`. */
export async function fetchStep(
  { drvPath, derivation }: Pick<BuildStep, "drvPath" | "derivation">,
  parts: RegisterParts,
  fetcher: Fetcher | undefined,
  options: CallOptions,
): Promise<OutputPaths> {
  const kind = derivationKind(derivation);
  if (kind !== "fixed" && kind !== "impure")
    throw new GlueError("invalid-derivation", `'${FETCHURL_BUILDER}' must be a fixed-output or impure derivation`);
  if (fetcher === undefined)
    throw new GlueError(
      "unsupported",
      `derivation '${derivation.name}' cannot be fetched: nothing here fetches anything`,
    );
  const attributes = new DerivationAttributes(derivation);
  const url = attributes.text("url");
  if (url === undefined)
    throw new GlueError(
      "invalid-derivation",
      `derivation '${derivation.name}' does not say what to fetch: it has no url`,
    );
  const node = await contentsOf(url, attributes, parts, fetcher, options);
  const output = [...derivation.outputs.values()][0].path.slice(1);
  const recipe: Pick<Recipe, "inputs" | "outputs"> = { inputs: [], outputs: [output] };
  return await registerOutputs(
    { drvPath, derivation, recipe, outputs: [{ path: output, node, needles: [] }] },
    parts,
    options,
  );
}

async function contentsOf(
  url: string,
  attributes: DerivationAttributes,
  parts: RegisterParts,
  fetcher: Fetcher,
  options: CallOptions,
): Promise<Node> {
  if (attributes.flag("unpack")) {
    try {
      return (await ingestNar(fetcher.decompress(fetcher.fetch(url, options)), parts, options)).node;
    } catch (thrown) {
      if (thrown instanceof StoreError && thrown.code === "malformed")
        throw new GlueError("fetch-failed", `what '${url}' leads to is no NAR: ${thrown.message}`, { cause: thrown });
      throw thrown;
    }
  }
  const { node } = await fetchFile(url, parts, fetcher, options);
  return attributes.flag("executable") ? { ...node, executable: true } : node;
}
