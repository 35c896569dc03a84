/*
`builtin:fetchurl` as a builder: what `<nix/fetchurl.nix>` makes derivations for. Follows builtinFetchurl of C++ Nix.
*/

import type { Node } from "@firn/castore";
import { derivationKind } from "@firn/nix-compat";
import { ingestNar, StoreError } from "@firn/store";
import type { BuiltinBuild } from "./builtin-step.ts";
import { DerivationAttributes } from "./derivation-attributes.ts";
import { GlueError } from "./error.ts";
import { fetchFile } from "./fetch-to-store.ts";
import { needFetcher } from "./fetcher.ts";

/** The output. Throws `fetch-failed` or `invalid-derivation`. */
export async function fetchUrl(build: BuiltinBuild): Promise<Node> {
  const { derivation, services, options } = build;
  const kind = derivationKind(derivation);
  if (kind !== "fixed" && kind !== "impure")
    throw new GlueError("invalid-derivation", "'builtin:fetchurl' must be a fixed-output or impure derivation");
  const fetcher = needFetcher(build);
  const attributes = new DerivationAttributes(derivation);
  const url = attributes.text("url");
  if (url === undefined)
    throw new GlueError(
      "invalid-derivation",
      `derivation '${derivation.name}' does not say what to fetch: it has no url`,
    );
  if (!attributes.flag("unpack")) {
    const { node } = await fetchFile(url, services, fetcher, options);
    return attributes.flag("executable") ? { ...node, executable: true } : node;
  }
  try {
    return (await ingestNar(fetcher.decompress(fetcher.fetch(url, options)), services, options)).node;
  } catch (thrown) {
    if (!(thrown instanceof StoreError && thrown.code === "malformed")) throw thrown;
    throw new GlueError("fetch-failed", `what '${url}' leads to is no NAR: ${thrown.message}`, { cause: thrown });
  }
}
