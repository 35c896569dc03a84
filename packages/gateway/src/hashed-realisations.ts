/*
Realisations under the names that C++ Nix before 2.35 gives them: `sha256:<hash modulo of the derivation>!<output>`. Such a name follows from a derivation
and does not lead back to it, so all realisations are listed and named; what was named once stays so, and the list is read again at most now and then. One that
comes in is kept under the path of its derivation, which has to be here and is looked for in the same way.
*/

import { byteStringOf } from "@firn/base";
import { type CallOptions, readBlob } from "@firn/castore";
import {
  type DerivationModulo,
  DERIVATION_BYTES_MAX,
  hashDerivationModulo,
  hashedRealisationFingerprint,
  hashMaskedDerivationModulo,
  NixCompatError,
  parseAbsoluteStorePath,
  parseDerivation,
  printHashedRealisation,
  type SecretKey,
  splitHashedName,
  type StorePath,
} from "@firn/nix-compat";
import { type Realisation, type RealisationService, realisationKey, type StoreServices } from "@firn/store";
import { GatewayError } from "./error.ts";

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
  /** Derivations by their hashes modulo, as far as they were looked at. */
  readonly #byModulo = new Map<string, StorePath>();
  readonly #looked = new Set<string>();
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

  /** The file a cache of that time has. */
  async print(name: string, { path }: Realisation): Promise<string> {
    const said = { name, path };
    const message = hashedRealisationFingerprint(said);
    return printHashedRealisation({
      ...said,
      signatures: await Promise.all(this.#parts.keys.map((key) => key.sign(message))),
    });
  }

  /**
   * Keeps what came out as this path, which is registered, without the signatures it may have had: they are over other words than those of later realisations.
   * Throws `bad-request` when no derivation with such a name is here.
   */
  async take(name: string, path: StorePath, options: CallOptions): Promise<void> {
    const { realisations, pathInfos } = this.#parts;
    const split = splitHashedName(name);
    const deriver = (await pathInfos.get(path.hashPart, options))?.deriver;
    const drvPath = split && (await this.#derivationOf(split.hex, deriver));
    if (split === undefined || drvPath === undefined)
      throw new GatewayError("bad-request", `the derivation of '${name}' has to come before what it came out as`);
    await realisations.put([{ drvPath, output: split.output, path, signatures: [] }], options);
  }

  /** Who is said to have made the path is looked at first. */
  async #derivationOf(hex: string, deriver: StorePath | undefined): Promise<StorePath | undefined> {
    if (deriver !== undefined && (await this.#maskedModulo(deriver)) === hex) return deriver;
    const known = this.#byModulo.get(hex);
    if (known !== undefined) return known;
    for await (const { path } of this.#parts.pathInfos.list()) {
      if (!path.isDerivation || this.#looked.has(path.toString())) continue;
      const found = await this.#maskedModulo(path);
      if (found === undefined) continue; // what it lacks may come
      this.#looked.add(path.toString());
      this.#byModulo.set(found, path);
      if (found === hex) return path;
    }
    return undefined;
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
