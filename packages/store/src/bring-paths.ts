/*
Copies from somewhere that offers paths and knows no castore. As copyPaths does, it registers each path when it is whole and what it refers to is registered, so
what was stopped goes on where it was.
*/

import type { StorePath } from "@firn/nix-compat";
import type { CopyOptions, CopyResult, StoreServices } from "./copy-paths.ts";
import { StoreError } from "./error.ts";
import type { Substituter } from "./substituter.ts";
import { Substitution } from "./substitution.ts";

/** Brings the closure of `roots`; no signatures are asked for. Throws what the source throws, or `missing` when it lacks a path. */
export async function bringPaths(
  roots: readonly StorePath[],
  source: Substituter,
  to: StoreServices,
  { signal, lease, registeredAt, onProgress }: CopyOptions,
): Promise<CopyResult> {
  const copied: StorePath[] = [];
  const done = { paths: 0, pathsTotal: 0, bytes: 0, bytesSpared: 0 };
  let failed: { readonly thrown: unknown } | undefined;
  // A substitution passes over who cannot answer, and here nobody else is there to ask.
  const offer: Substituter["offer"] = async (hashPart, options) => {
    try {
      return await source.offer(hashPart, options);
    } catch (thrown) {
      failed ??= { thrown };
      throw thrown;
    }
  };
  const substitution = new Substitution({
    sources: [{ label: source.label, priority: (options) => source.priority(options), offer }],
    to,
    lease,
    trusted: undefined,
    now: () => registeredAt * 1000,
    onEvent: (event) => {
      if (event.type === "started") done.pathsTotal++;
      if (event.type === "bytes") done.bytes += event.count;
      if (event.type === "finished") done.paths = copied.push(event.path);
      onProgress?.({ ...done });
    },
  });
  if (await substitution.bring(roots, { signal })) return { ...done, copied };
  if (failed !== undefined) throw failed.thrown;
  throw new StoreError("missing", `${source.label} has not all of ${roots.join(", ")} and what they refer to`);
}
