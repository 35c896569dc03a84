/*
What `nix-store --query` asks: references and referrers of store paths, their closures, and the order Nix prints them in. Each path info is
read once. Sets of store paths are ordered by base name, as Nix's are, since that order shows in what is printed.
*/

import { byteStringOf } from "@firn/base";
import { type CallOptions, readBlob } from "@firn/castore";
import type { LocalStore } from "@firn/backend-local";
import {
  type Derivation,
  DERIVATION_BYTES_MAX,
  parseAbsoluteStorePath,
  parseDerivation,
  type StorePath,
} from "@firn/nix-compat";
import type { PathInfo } from "@firn/store";
import { CliError } from "../error.ts";

/** A set of store paths, by base name. */
export type PathSet = Map<string, StorePath>;

/** Members in Nix's order. */
export function inOrder(paths: PathSet): StorePath[] {
  return [...paths.keys()].sort().map((name) => paths.get(name) as StorePath);
}

export function setOf(paths: Iterable<StorePath>): PathSet {
  const set: PathSet = new Map();
  for (const path of paths) set.set(path.toString(), path);
  return set;
}

export class PathGraph {
  readonly #store: LocalStore;
  readonly #storeDir: string;
  readonly #options: CallOptions;
  readonly #infos = new Map<string, PathInfo>();

  constructor(store: LocalStore, storeDir: string, options: CallOptions) {
    this.#store = store;
    this.#storeDir = storeDir;
    this.#options = options;
  }

  /** The path info, or undefined when the path is not valid, as Nix says of what is not registered. */
  async find(path: StorePath): Promise<PathInfo | undefined> {
    const known = this.#infos.get(path.hashPart) ?? (await this.#store.pathInfos.get(path.hashPart, this.#options));
    if (!known?.path.equals(path)) return undefined;
    this.#infos.set(path.hashPart, known);
    return known;
  }

  /** The path info. Throws `not-found` when the path is not valid. */
  async info(path: StorePath): Promise<PathInfo> {
    const info = await this.find(path);
    if (info !== undefined) return info;
    throw new CliError("not-found", `path '${path.absolute(this.#storeDir)}' is not valid`);
  }

  /** Paths that refer to this one; itself when it does. Throws `not-found` when the path is not valid. */
  async referrers(path: StorePath): Promise<StorePath[]> {
    const { references } = await this.info(path);
    const others = await this.#store.pathInfos.referrers(path, this.#options);
    return references.some((reference) => reference.equals(path)) ? [path, ...others] : [...others];
  }

  /** Adds to `found` everything that can be reached from `roots`, themselves included. */
  async close(
    roots: Iterable<StorePath>,
    found: PathSet,
    next: (path: StorePath) => Promise<Iterable<StorePath>>,
  ): Promise<void> {
    const queue = [...roots];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (found.has(path.toString())) continue;
      found.set(path.toString(), path);
      queue.push(...(await next(path)));
    }
  }

  /** Dependencies before what refers to them; what is independent in the order of base names. Follows topoSortPaths. */
  async sorted(paths: PathSet): Promise<StorePath[]> {
    const done = new Set<string>();
    const order: StorePath[] = [];
    for (const root of inOrder(paths)) {
      const stack = [{ path: root, children: undefined as StorePath[] | undefined }];
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const name = top.path.toString();
        if (top.children === undefined) {
          if (done.has(name)) {
            stack.pop();
            continue;
          }
          done.add(name);
          const references = (await this.find(top.path))?.references ?? [];
          top.children = references.filter((path) => paths.has(path.toString())).reverse();
        }
        const child = top.children.pop();
        if (child !== undefined) stack.push({ path: child, children: undefined });
        else {
          order.push(top.path);
          stack.pop();
        }
      }
    }
    return order;
  }

  /** What a .drv says. Throws `not-found` when it is not valid, `invalid-target` when it is no derivation. */
  async derivation(path: StorePath): Promise<Derivation> {
    const { node } = await this.info(path);
    if (node.kind !== "file" || !path.isDerivation)
      throw new CliError("invalid-target", `'${path.absolute(this.#storeDir)}' is not a derivation`);
    const bytes = await readBlob(this.#store.blobs, node.digest, DERIVATION_BYTES_MAX, this.#options);
    return parseDerivation(byteStringOf(bytes), path.name.slice(0, -".drv".length), this.#storeDir);
  }

  /** Where the outputs of a derivation are, or will be, by output name; floating ones are left out. */
  async outputs(path: StorePath): Promise<Map<string, StorePath>> {
    const outputs = new Map<string, StorePath>();
    for (const [name, output] of (await this.derivation(path)).outputs)
      if (output.path !== "") outputs.set(name, parseAbsoluteStorePath(output.path, this.#storeDir));
    return outputs;
  }

  /** The same, with those of floating ones that were built. */
  async builtOutputs(path: StorePath): Promise<Map<string, StorePath>> {
    const outputs = await this.outputs(path);
    for (const name of (await this.derivation(path)).outputs.keys()) {
      const realisation = outputs.has(name) ? undefined : await this.#store.realisations.get(path, name, this.#options);
      if (realisation !== undefined) outputs.set(name, realisation.path);
    }
    return outputs;
  }

  /** Valid derivations that have the path as an output. */
  async validDerivers(path: StorePath): Promise<StorePath[]> {
    const derivers: StorePath[] = [];
    for await (const { path: candidate } of this.#store.pathInfos.list(this.#options)) {
      // An output's name begins with its derivation's.
      if (!candidate.isDerivation || !path.name.startsWith(candidate.name.slice(0, -".drv".length))) continue;
      const outputs = await this.outputs(candidate);
      if ([...outputs.values()].some((output) => output.equals(path))) derivers.push(candidate);
    }
    return derivers;
  }
}
