/*
Realisations under the names that C++ Nix before 2.35 gives them: `sha256:<hash modulo of the derivation>!<output>`. Such a name follows from a derivation
and does not lead back to it, so all realisations are listed and named; what was named once stays so, and the list is read again at most now and then.

Only answered, never taken in: for want of the derivation's path.
*/

import { byteStringOf, bytesOf } from "@firn/base";
import { type CallOptions, readBlob } from "@firn/castore";
import {
  type DerivationModulo,
  DERIVATION_BYTES_MAX,
  hashDerivationModulo,
  hashMaskedDerivationModulo,
  NixCompatError,
  parseAbsoluteStorePath,
  parseDerivation,
  printSignature,
  type SecretKey,
  type StorePath,
} from "@firn/nix-compat";
import { type Realisation, type RealisationService, realisationKey, type StoreServices } from "@firn/store";

const FRESH_MS = 10_000;
/** Derivations one name may need. */
const DERIVATIONS_MAX = 100_000;

export type HashedRealisationsParts = Pick<StoreServices, "blobs" | "pathInfos"> & {
  readonly realisations: RealisationService;
  /** Sign what is answered: signatures of the later kind are over other words. */
  readonly keys: readonly SecretKey[];
  readonly storeDir: string;
  readonly now: () => number;
  /** How long a list that was read is good enough for what it does not hold, in milliseconds; 10 seconds when not said. */
  readonly freshMs?: number;
};

export class HashedRealisations {
  readonly #parts: HashedRealisationsParts;
  /** Derivation and output by the old name. */
  readonly #named = new Map<string, Pick<Realisation, "drvPath" | "output">>();
  /** Keys of those that have a name. */
  readonly #seen = new Set<string>();
  /** By absolute path of the .drv. */
  readonly #modulos = new Map<string, DerivationModulo>();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(parts: HashedRealisationsParts) {
    this.#parts = parts;
  }

  /** What the output came out as, or undefined. */
  async find(name: string, options: CallOptions): Promise<Realisation | undefined> {
    const { realisations, now, freshMs = FRESH_MS } = this.#parts;
    if (!this.#named.has(name) && now() - this.#readAt >= freshMs) {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined;
      });
      await this.#reading;
    }
    const named = this.#named.get(name);
    return named && (await realisations.get(named.drvPath, named.output, options));
  }

  /** The file a cache of that time has: keys sorted, nothing between tokens. */
  async print(name: string, { path }: Realisation): Promise<string> {
    const said = { dependentRealisations: {}, id: name, outPath: path.toString() };
    const message = bytesOf(JSON.stringify(said));
    const signatures = await Promise.all(this.#parts.keys.map(async (key) => printSignature(await key.sign(message))));
    return JSON.stringify({ ...said, signatures: signatures.sort() });
  }

  async #read(): Promise<void> {
    this.#readAt = this.#parts.now();
    for await (const { drvPath, output } of this.#parts.realisations.list()) {
      const key = realisationKey(drvPath, output);
      if (this.#seen.has(key)) continue;
      const hex = await this.#maskedModulo(drvPath);
      if (hex === undefined) continue; // what it lacks may come
      this.#seen.add(key);
      this.#named.set(`sha256:${hex}!${output}`, { drvPath, output });
    }
  }

  /** undefined where the derivation, or one that it needs, is not here or too much. */
  async #maskedModulo(drvPath: StorePath): Promise<string | undefined> {
    const derivation = await this.#derivation(drvPath);
    if (derivation === undefined || derivation.dynamicInputs !== undefined) return undefined;
    for (const input of derivation.inputDrvs.keys())
      if (!(await this.#learn(parseAbsoluteStorePath(input, this.#parts.storeDir)))) return undefined;
    return hashMaskedDerivationModulo(derivation, (input) => this.#modulos.get(input) as DerivationModulo).hex;
  }

  /** Makes the modulos of a derivation and of all it needs known; false when that cannot be done. */
  async #learn(path: StorePath): Promise<boolean> {
    const absolute = path.absolute(this.#parts.storeDir);
    if (this.#modulos.has(absolute)) return true;
    if (this.#modulos.size >= DERIVATIONS_MAX) return false;
    const derivation = await this.#derivation(path);
    if (derivation === undefined || derivation.dynamicInputs !== undefined) return false;
    for (const input of derivation.inputDrvs.keys())
      if (!(await this.#learn(parseAbsoluteStorePath(input, this.#parts.storeDir)))) return false;
    this.#modulos.set(
      absolute,
      hashDerivationModulo(derivation, (input) => this.#modulos.get(input) as DerivationModulo),
    );
    return true;
  }

  async #derivation(path: StorePath) {
    const { blobs, pathInfos, storeDir } = this.#parts;
    const node = (await pathInfos.get(path.hashPart))?.node;
    if (node?.kind !== "file") return undefined;
    const text = byteStringOf(await readBlob(blobs, node.digest, DERIVATION_BYTES_MAX));
    try {
      return parseDerivation(text, path.name.slice(0, -".drv".length), storeDir);
    } catch (thrown) {
      if (thrown instanceof NixCompatError) return undefined; // a file that is only called so
      throw thrown;
    }
  }
}
