/*
The store as one evaluation sees it: paths it computed itself (derivations, texts, copies of sources), which are posted to be written
and can be read at once, and paths that are there already. It computes; it writes nothing.
*/

import type { ByteString } from "@firn/base";
import { EvalError, lastPart, parseContextElement, StringContext, StringWithContext } from "@firn/eval";
import { fromHex } from "@firn/hash";
import {
  checkStorePathName,
  type Derivation,
  type DerivationModulo,
  derivationPathOfText,
  fillOutputPaths,
  hashDerivationModulo,
  makeFixedOutputPath,
  makeTextPathOfHash,
  NixCompatError,
  parseDerivation,
} from "@firn/nix-compat";
import { hashByteStringHex } from "@firn/hash";
import type { HostFiles } from "./host-files.ts";
import type { PendingObject } from "./pending.ts";
import { hashTree, type TreeFilter } from "./tree-hash.ts";

/** Reads what the store has already, synchronously. */
export interface StoreFiles extends HostFiles {
  /** Absolute store paths that the path at `storePath` refers to, or undefined when it is not in the store. */
  references(storePath: ByteString): readonly ByteString[] | undefined;
}

export type KnownDerivation = { readonly derivation: Derivation; readonly modulo: DerivationModulo };

export type EvalStoreOptions = {
  readonly storeDir: ByteString;
  readonly files: HostFiles;
  /** What is in the store already; absent where there is none. */
  readonly store?: StoreFiles;
  /** Gets every object once. */
  readonly onPending: (object: PendingObject) => void;
};

export class EvalStore {
  readonly storeDir: ByteString;
  readonly files: HostFiles;
  readonly store: StoreFiles | undefined;
  readonly #onPending: (object: PendingObject) => void;
  readonly #pending = new Map<ByteString, PendingObject>();
  readonly #derivations = new Map<ByteString, KnownDerivation>();
  readonly #copies = new Map<ByteString, StringWithContext>();

  constructor(options: EvalStoreOptions) {
    this.storeDir = options.storeDir;
    this.files = options.files;
    this.store = options.store;
    this.#onPending = options.onPending;
  }

  /** What this evaluation has posted under a store path. */
  pending(path: ByteString): PendingObject | undefined {
    return this.#pending.get(path);
  }

  #post(object: PendingObject): void {
    if (this.#pending.has(object.path)) return;
    this.#pending.set(object.path, object);
    this.#onPending(object);
  }

  // Derivations

  /** Fills in the output paths of a derivation, posts it, and yields it with its own path. */
  addDerivation(unfilled: Derivation): { readonly drvPath: ByteString; readonly derivation: Derivation } {
    const { derivation, modulo, text } = fillOutputPaths(
      unfilled,
      (path) => this.derivation(path).modulo,
      this.storeDir,
    );
    const drvPath = derivationPathOfText(derivation, text, this.storeDir).absolute(this.storeDir);
    if (!this.#derivations.has(drvPath)) {
      this.#derivations.set(drvPath, { derivation, modulo });
      const references = [...new Set([...derivation.inputSrcs, ...derivation.inputDrvs.keys()])].sort();
      this.#post({ kind: "derivation", path: drvPath, text, references });
    }
    return { drvPath, derivation };
  }

  /** The derivation at an absolute .drv path: of this evaluation, or read from the store. */
  derivation(drvPath: ByteString): KnownDerivation {
    const known = this.#derivations.get(drvPath);
    if (known !== undefined) return known;
    if (this.store?.status(drvPath)?.kind !== "regular") {
      throw new EvalError("store", `path '${drvPath}' is not a derivation this store has`);
    }
    const name = lastPart(drvPath)
      .slice(33)
      .replace(/\.drv$/, "");
    const derivation = parseDerivation(this.store.readText(drvPath), name);
    const modulo = hashDerivationModulo(derivation, (path) => this.derivation(path).modulo);
    const entry = { derivation, modulo };
    this.#derivations.set(drvPath, entry);
    return entry;
  }

  /** Every path the .drv file at `drvPath` needs, itself included: .drv files and sources, and what those refer to. */
  closureOfDerivation(drvPath: ByteString): ByteString[] {
    const seen = new Set<ByteString>();
    const queue = [drvPath];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const object = this.#pending.get(path);
      if (object?.kind === "source") continue;
      queue.push(...(object?.references ?? this.store?.references(path) ?? []));
    }
    return [...seen];
  }

  // Files

  /** A file of that name and text (`builtins.toFile`). Its context must hold plain paths and derivation files only. */
  addText(name: string, text: ByteString, context: StringContext | undefined): StringWithContext {
    checkName(name);
    const references: ByteString[] = [];
    for (const element of context?.elements ?? []) {
      const parsed = parseContextElement(element);
      if (parsed.kind === "output") {
        throw new EvalError(
          "invalid-value",
          `files created by builtins.toFile may not reference derivations, but ${name} references ${parsed.drvPath}`,
        );
      }
      references.push(parsed.kind === "closure" ? parsed.drvPath : parsed.path);
    }
    references.sort();
    const path = makeTextPathOfHash(name, hashByteStringHex("sha256", text), references, this.storeDir).absolute(
      this.storeDir,
    );
    this.#post({ kind: "text", path, text, references });
    return stringOfPath(path);
  }

  /** The store path of a copy of the whole tree at a host path, named after its last part. */
  copyTree(hostPath: ByteString): StringWithContext {
    const known = this.#copies.get(hostPath);
    if (known !== undefined) return known;
    const copy = this.addTree(lastPart(hostPath), hostPath, "nar", undefined);
    this.#copies.set(hostPath, copy);
    return copy;
  }

  /** The store path of a copy of what `filter` lets pass. `flat` hashes a single file's contents alone. */
  addTree(
    name: string,
    hostPath: ByteString,
    method: "nar" | "flat",
    filter: TreeFilter | undefined,
  ): StringWithContext {
    checkName(name);
    if (method === "flat") {
      if (this.files.status(hostPath)?.kind !== "regular") {
        throw new EvalError("io", `'${hostPath}' is not a regular file, as a flat copy has to be`);
      }
      const sha256 = hashByteStringHex("sha256", this.files.readText(hostPath));
      return this.#addSource(name, hostPath, "flat", sha256, undefined);
    }
    const { sha256, included } = hashTree(this.files, hostPath, filter);
    return this.#addSource(name, hostPath, "nar", sha256, included);
  }

  #addSource(
    name: string,
    hostPath: ByteString,
    method: "nar" | "flat",
    sha256: string,
    included: readonly ByteString[] | undefined,
  ) {
    const bytes = fromHex(sha256);
    if (bytes === undefined) throw new EvalError("store", `'${sha256}' is not a hash`);
    const output = { method, hash: { algorithm: "sha256" as const, bytes }, name };
    const path = makeFixedOutputPath(output, this.storeDir).absolute(this.storeDir);
    this.#post({ kind: "source", path, hostPath, method, sha256, ...(included === undefined ? {} : { included }) });
    return stringOfPath(path);
  }
}

/** A store path as a string that depends on it. */
export function stringOfPath(path: ByteString): StringWithContext {
  return new StringWithContext(path, StringContext.of([path]) as StringContext);
}

/** Throws the language's error for a name no store path may have. */
export function checkName(name: string): void {
  try {
    checkStorePathName(name);
  } catch (thrown) {
    if (thrown instanceof NixCompatError) throw new EvalError("invalid-value", thrown.message);
    throw thrown;
  }
}
