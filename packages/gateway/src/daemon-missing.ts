/*
What would be done if a client wanted its targets now: derivations that would be built, paths that would come from elsewhere and how much that is. Nothing is
built or brought for the answer. A level of the graph is asked about at once, since sources may be far away.

Follows Store::queryMissing. DEVIATION: outputs whose paths are not known before they are built would be built: sources are not asked what they came out as.
*/

import { mapConcurrently } from "@firn/base";
import type { Derivation, DerivedPath, StorePath, WorkerReply } from "@firn/nix-compat";
import type { Offer } from "@firn/store";
import type { DaemonCall } from "./daemon-call.ts";
import type { DaemonSources } from "./daemon-host.ts";

const ASKED_AT_ONCE = 32;

export type MissingPaths = WorkerReply<"queryMissing">;

export async function findMissing(targets: readonly DerivedPath[], call: DaemonCall): Promise<MissingPaths> {
  using sources = call.openSources();
  const walk = new MissingWalk(call, sources);
  for (let level = targets; level.length > 0; ) {
    const found = await mapConcurrently(
      level,
      ASKED_AT_ONCE,
      (target, signal) => walk.visit(target, signal),
      call.signal,
    );
    level = found.flat();
  }
  return walk.result;
}

class MissingWalk {
  readonly #call: DaemonCall;
  readonly #sources: DaemonSources | undefined;
  readonly #seen = new Set<string>();
  readonly #offers = new Map<string, Promise<Offer | undefined>>();
  readonly #willBuild = new Map<string, StorePath>();
  readonly #willSubstitute: StorePath[] = [];
  readonly #unknown: StorePath[] = [];
  #downloadBytes = 0;
  #narSize = 0;

  constructor(call: DaemonCall, sources: DaemonSources | undefined) {
    this.#call = call;
    this.#sources = sources;
  }

  get result(): MissingPaths {
    return {
      willBuild: [...this.#willBuild.values()],
      willSubstitute: this.#willSubstitute,
      unknown: this.#unknown,
      downloadBytes: this.#downloadBytes,
      narSize: this.#narSize,
    };
  }

  /** Yields what is needed for it. */
  async visit(target: DerivedPath, signal: AbortSignal): Promise<readonly DerivedPath[]> {
    const { path, outputs } = target;
    const key = `${path}!${outputs === undefined || outputs === "all" ? outputs : outputs.join(",")}`;
    if (this.#seen.has(key)) return [];
    this.#seen.add(key);
    const isHere = (await this.#call.find(path)) !== undefined;
    if (outputs !== undefined && isHere) return await this.#visitDerivation(path, outputs, signal);
    if (isHere) return [];
    const offer = outputs === undefined ? await this.#offer(path, signal) : undefined;
    if (offer === undefined) {
      this.#unknown.push(path);
      return [];
    }
    this.#willSubstitute.push(path);
    this.#downloadBytes += offer.downloadBytes ?? 0;
    this.#narSize += offer.described.narSize;
    return opaque(offer.described.references);
  }

  async #visitDerivation(
    path: StorePath,
    wanted: readonly string[] | "all",
    signal: AbortSignal,
  ): Promise<readonly DerivedPath[]> {
    if (this.#willBuild.has(path.toString())) return [];
    const derivation = await this.#call.derivation(path);
    const missing: (StorePath | undefined)[] = [];
    for (const [name, output] of await this.#call.outputs(path, derivation))
      if (wanted === "all" || wanted.includes(name))
        if (output === undefined || (await this.#call.find(output)) === undefined) missing.push(output);
    if (missing.length === 0) return [];
    const known = missing.filter((output) => output !== undefined);
    if (known.length === missing.length && (await this.#areOffered(known, derivation, signal))) return opaque(known);
    this.#willBuild.set(path.toString(), path);
    return [...derivation.inputDrvs].map(([input, outputs]) => ({ path: this.#call.parse(input), outputs }));
  }

  async #areOffered(paths: readonly StorePath[], derivation: Derivation, signal: AbortSignal): Promise<boolean> {
    if (this.#sources?.mayReplace(derivation) !== true) return false;
    const offers = await Promise.all(paths.map((path) => this.#offer(path, signal)));
    return !offers.includes(undefined);
  }

  /** Asked once for each path. */
  #offer(path: StorePath, signal: AbortSignal): Promise<Offer | undefined> {
    const key = path.toString();
    const asked = this.#offers.get(key) ?? Promise.resolve(this.#sources?.offer(path, { signal }));
    this.#offers.set(key, asked);
    return asked;
  }
}

function opaque(paths: readonly StorePath[]): readonly DerivedPath[] {
  return paths.map((path) => ({ path, outputs: undefined }));
}
