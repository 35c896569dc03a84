/*
Where outputs are: for each derivation met in one call, the store paths of those of its outputs that are in the store. Most derivations say
themselves where their outputs go; for others a realisation says so, or the build that has just made them.

What an impure derivation made is known for the length of the call and never looked up: it is built anew each time.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { type Derivation, type DerivationOutput, parseAbsoluteStorePath } from "@firn/nix-compat";
import type { PathInfoService, RealisationService } from "@firn/store";
import { GlueError } from "./error.ts";

export type RealisedParts = {
  readonly pathInfos: Pick<PathInfoService, "get">;
  readonly realisations: RealisationService;
  readonly storeDir: string;
};

/** Absolute store paths by output name. */
export type OutputPaths = ReadonlyMap<string, ByteString>;

/** Throws `missing-input`: something needs an output that is not in the store. */
export function missingOutput(drvPath: ByteString, output: string): never {
  const message = `output '${output}' of derivation '${drvPath}' is not in the store`;
  throw new GlueError("missing-input", message, { context: { path: drvPath } });
}

export class RealisedOutputs {
  readonly #parts: RealisedParts;
  readonly #known = new Map<ByteString, Map<string, ByteString>>();

  constructor(parts: RealisedParts) {
    this.#parts = parts;
  }

  /** Absolute store path of an output, when it is known to be in the store. */
  pathOf(drvPath: ByteString, output: string): ByteString | undefined {
    return this.#known.get(drvPath)?.get(output);
  }

  /** What was made of the derivation; it is in the store. */
  add(drvPath: ByteString, outputs: OutputPaths): void {
    this.#known.set(drvPath, new Map([...(this.#known.get(drvPath) ?? []), ...outputs]));
  }

  /**
   * The paths of these outputs when all of them are in the store, and then held by the lease; otherwise undefined. Throws `invalid-derivation`
   * for names the derivation does not have.
   */
  async find(
    drvPath: ByteString,
    derivation: Derivation,
    names: Iterable<string>,
    options: CallOptions,
  ): Promise<OutputPaths | undefined> {
    const found = new Map<string, ByteString>();
    let isMissing = false;
    for (const name of names) {
      const output = derivation.outputs.get(name);
      if (output === undefined)
        throw new GlueError("invalid-derivation", `derivation '${drvPath}' does not have wanted outputs '${name}'`, {
          context: { derivation: derivation.name, output: name },
        });
      const path = this.pathOf(drvPath, name) ?? (await this.#lookUp(drvPath, name, output, options));
      if (path === undefined) isMissing = true;
      else found.set(name, path);
    }
    if (isMissing) return undefined;
    this.add(drvPath, found);
    return found;
  }

  async #lookUp(
    drvPath: ByteString,
    name: string,
    { kind, path: stated }: DerivationOutput,
    options: CallOptions,
  ): Promise<ByteString | undefined> {
    if (kind === "impure") return undefined;
    const { pathInfos, realisations, storeDir } = this.#parts;
    const path =
      stated === ""
        ? (await realisations.get(parseAbsoluteStorePath(drvPath, storeDir), name, options))?.path
        : parseAbsoluteStorePath(stated, storeDir);
    if (path === undefined || (await pathInfos.get(path.hashPart, options)) === undefined) return undefined;
    return path.absolute(storeDir);
  }
}
