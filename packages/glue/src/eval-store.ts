/*
The store as one evaluation sees it: paths it computed itself (derivations, texts, copies of sources), which are posted to be written
and can be read at once, and paths that are there already. It computes; it writes nothing. What has to be written or built before it can
be read, it asks of a Realiser (realiser.ts), all that one access needs at once.
*/

import type { ByteString } from "@firn/base";
import {
  displayContextElement,
  EvalError,
  lastPart,
  parseContextElement,
  StringContext,
  StringWithContext,
} from "@firn/eval";
import { fromHex, type Hash, hashByteStringHex } from "@firn/hash";
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
  parseAbsoluteStorePath,
  parseDerivation,
  storePathNameProblem,
} from "@firn/nix-compat";
import { outputString } from "./derivation-outputs.ts";
import { ExperimentalFeatures } from "./experimental-features.ts";
import { FilteredFiles } from "./filtered-files.ts";
import type { HostFiles } from "./host-files.ts";
import type { PendingObject } from "./pending.ts";
import type { OutputTarget, Realiser } from "./realiser.ts";
import { hashTree, type TreeFilter } from "./tree-hash.ts";

const SLASH = 47;

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
  /** Builds and fetches; absent: what needs it is refused. */
  readonly realiser?: Realiser;
  /** Whether something may be built because the evaluation reads it. True when not said. */
  readonly allowImportFromDerivation?: boolean;
  /** Names of C++ Nix's experimental features that are enabled. */
  readonly experimentalFeatures?: readonly string[];
  /** Gets every object once. */
  readonly onPending: (object: PendingObject) => void;
};

/** Where a path leads: to files by path, or to one text that exists in memory only. */
export type Place = FilePlace | { readonly text: ByteString };

/** `isPartial`: not all files that are below the path belong to it. */
type FilePlace = { readonly files: HostFiles; readonly path: ByteString; readonly isPartial?: true };

type PendingSource = Extract<PendingObject, { readonly kind: "source" }>;

export class EvalStore {
  readonly storeDir: ByteString;
  readonly features: ExperimentalFeatures;
  /** Absent where nothing can be built or fetched. */
  readonly realiser: Realiser | undefined;
  readonly files: HostFiles;
  readonly store: StoreFiles | undefined;
  readonly #allowImportFromDerivation: boolean;
  readonly #onPending: (object: PendingObject) => void;
  /** Where outputs are that are known to be there, by context element. */
  readonly #realised = new Map<ByteString, ByteString>();
  readonly #pending = new Map<ByteString, PendingObject>();
  readonly #derivations = new Map<ByteString, KnownDerivation>();
  readonly #views = new Map<ByteString, FilteredFiles>();
  readonly #copies = new Map<ByteString, StringWithContext>();

  constructor(options: EvalStoreOptions) {
    this.storeDir = options.storeDir;
    this.files = options.files;
    this.store = options.store;
    this.realiser = options.realiser;
    this.features = new ExperimentalFeatures(options.experimentalFeatures ?? []);
    this.#allowImportFromDerivation = options.allowImportFromDerivation ?? true;
    this.#onPending = options.onPending;
  }

  /** What this evaluation has posted under a store path. */
  pending(path: ByteString): PendingObject | undefined {
    return this.#pending.get(path);
  }

  /** Whether the path is of this evaluation or in the store. */
  has(path: ByteString): boolean {
    return this.#pending.has(path) || this.store?.status(path) !== undefined;
  }

  post(object: PendingObject): void {
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
      this.post({ kind: "derivation", path: drvPath, text, references });
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
    return [...this.#closure([drvPath])];
  }

  #closure(paths: readonly ByteString[]): Set<ByteString> {
    const seen = new Set<ByteString>();
    const queue = [...paths];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const object = this.#pending.get(path);
      queue.push(...(object === undefined ? (this.store?.references(path) ?? []) : referencesOf(object)));
    }
    return seen;
  }

  // Reading

  /** Where to read an absolute path. What is fetched lazily is fetched now. Throws EvalError `io` below the store where there is no store. */
  locate(path: ByteString): Place {
    if (!this.isBelowStore(path)) return { files: this.files, path };
    const root = this.rootOf(path);
    const object = this.#pending.get(root);
    if (object?.kind === "source") return this.#inSource(object, path.slice(root.length));
    if (object !== undefined && "text" in object && path === root) return { text: object.text };
    if (object !== undefined && !("text" in object) && this.store?.status(root) === undefined) this.#write(object);
    if (this.store === undefined)
      throw new EvalError("io", `path '${path}' is below the store, and there is no store here`);
    return { files: this.store, path };
  }

  /** A copy is read where it is copied from. */
  #inSource({ path: root, hostPath, included }: PendingSource, below: ByteString): FilePlace {
    const files = this.isBelowStore(hostPath) ? (this.store as StoreFiles) : this.files;
    const path = hostPath + below;
    if (included === undefined) return { files, path };
    let view = this.#views.get(root);
    if (view === undefined) this.#views.set(root, (view = new FilteredFiles(files, hostPath, included)));
    return { files: view, path, isPartial: true };
  }

  isBelowStore(path: ByteString): boolean {
    return path.startsWith(this.storeDir) && path.charCodeAt(this.storeDir.length) === SLASH;
  }

  /** The store path that a path below the store directory is or lies in. */
  rootOf(path: ByteString): ByteString {
    const end = path.indexOf("/", this.storeDir.length + 1);
    return end < 0 ? path : path.slice(0, end);
  }

  /** Absolute paths that the store path refers to; none where that is not known. */
  referencesOf(path: ByteString): readonly ByteString[] {
    const object = this.#pending.get(path);
    return object === undefined ? (this.store?.references(path) ?? []) : referencesOf(object);
  }

  /** The absolute path of contents with this hash. */
  pathOfContents(name: string, method: "nar" | "flat", hash: Hash, references: readonly ByteString[]): ByteString {
    checkName(name);
    const parsed = references.map((reference) => parseAbsoluteStorePath(reference, this.storeDir));
    return makeFixedOutputPath({ method, hash, name, references: parsed }, this.storeDir).absolute(this.storeDir);
  }

  /** Has an object of this evaluation written, with all it refers to. */
  #write(object: PendingObject): void {
    if (this.realiser === undefined)
      throw new EvalError("unsupported", `cannot read '${object.path}': nothing can be written to a store here`);
    this.realiser.realise({ objects: this.#unwritten([object.path]), outputs: [] });
  }

  /** EvalIo's `realise`. Follows `EvalState::realiseContext`. */
  realise(path: ByteString, context: StringContext): ByteString {
    const outputs: OutputTarget[] = [];
    const elements: ByteString[] = [];
    for (const element of context.elements) {
      const parsed = parseContextElement(element);
      const base = parsed.kind === "path" ? parsed.path : baseDerivation(parsed.drvPath);
      if (!this.#realised.has(element) && !this.has(base)) throw new EvalError("store", `path '${base}' is not valid`);
      if (parsed.kind !== "output") continue;
      if (!this.#allowImportFromDerivation) {
        const shown = displayContextElement(element);
        const message = `cannot build '${shown}' during evaluation because the option 'allow-import-from-derivation' is disabled`;
        throw new EvalError("store", message);
      }
      elements.push(element);
      outputs.push(this.#target(parsed.drvPath, parsed.output));
    }
    const wanted = outputs.filter((_, n) => !this.#realised.has(elements[n]));
    if (wanted.length > 0) this.#build(wanted);
    let rewritten = path;
    elements.forEach((element, n) => {
      const { drvPath, output, path: stated } = outputs[n];
      if (stated !== "") return;
      const { text } = outputString(drvPath, output, "", this);
      rewritten = rewritten.replaceAll(text, () => this.#realised.get(element) as ByteString);
    });
    return rewritten;
  }

  #build(outputs: readonly OutputTarget[]): void {
    if (this.realiser === undefined) {
      const [{ drvPath, output }] = outputs;
      const message = `cannot build '${displayContextElement(`!${output}!${drvPath}`)}' during evaluation: nothing can be built here`;
      throw new EvalError("unsupported", message);
    }
    const missing = outputs.filter(({ path }) => path === "" || this.store?.status(path) === undefined);
    const objects = this.#unwritten(missing.map(({ drvPath }) => baseDerivation(drvPath)));
    const paths = this.realiser.realise({ objects, outputs });
    outputs.forEach(({ drvPath, output }, n) => void this.#realised.set(`!${output}!${drvPath}`, paths[n]));
  }

  #target(drvPath: ByteString, output: string): OutputTarget {
    if (!drvPath.startsWith("/")) return { drvPath, output, path: "" };
    const path = this.derivation(drvPath).derivation.outputs.get(output)?.path;
    if (path !== undefined) return { drvPath, output, path };
    throw new EvalError("store", `derivation '${drvPath}' does not have wanted outputs '${output}'`);
  }

  /** Objects of this evaluation that writing these paths takes. */
  #unwritten(paths: readonly ByteString[]): PendingObject[] {
    const objects: PendingObject[] = [];
    for (const path of this.#closure(paths)) {
      const object = this.#pending.get(path);
      if (object !== undefined) objects.push(object);
    }
    return objects;
  }

  // Files

  /** A file of that name and text (`builtins.toFile`). Its context must hold plain paths and derivation files only. */
  addText(name: string, text: ByteString, context: StringContext | undefined): StringWithContext {
    checkName(name);
    const references: ByteString[] = [];
    for (const element of context?.elements ?? []) {
      const parsed = parseContextElement(element);
      if (parsed.kind !== "path") {
        const named = element.replace(`${this.storeDir}/`, "");
        throw new EvalError(
          "invalid-value",
          `files created by builtins.toFile may not reference derivations, but ${name} references ${named}`,
        );
      }
      references.push(parsed.path);
    }
    references.sort();
    const path = makeTextPathOfHash(name, hashByteStringHex("sha256", text), references, this.storeDir).absolute(
      this.storeDir,
    );
    this.post({ kind: "text", path, text, references });
    return stringOfPath(path);
  }

  /** The store path of a copy of the whole tree at an absolute path, named after its last part. */
  copyTree(path: ByteString): StringWithContext {
    const known = this.#copies.get(path);
    if (known !== undefined) return known;
    if (path.endsWith(".drv")) throw new EvalError("invalid-value", "file names are not allowed to end in '.drv'");
    const copy = this.addTree(lastPart(path), path, { method: "nar" });
    this.#copies.set(path, copy);
    return copy;
  }

  /** The store path of a copy of what is at an absolute path. */
  addTree(name: string, path: ByteString, copy: CopyOptions): StringWithContext {
    checkName(name);
    const place = this.#fileAt(path);
    const { method, references = [] } = copy;
    if (method === "flat") {
      if (place.files.status(place.path)?.kind !== "regular")
        throw new EvalError("io", `'${path}' is not a regular file, as a flat copy has to be`);
      const sha256 = hashByteStringHex("sha256", place.files.readText(place.path));
      return this.#addSource(name, place.path, { method, sha256 });
    }
    const { sha256, included } = hashTree(place.files, place.path, filterAt(place, path, copy.filter));
    return this.#addSource(name, place.path, {
      method,
      sha256,
      ...(included === undefined ? {} : { included }),
      ...(references.length === 0 ? {} : { references }),
    });
  }

  /** Files to copy from; a text that is in memory only is written first. */
  #fileAt(path: ByteString): FilePlace {
    const place = this.locate(path);
    if ("files" in place) return place;
    this.#write(this.#pending.get(path) as PendingObject);
    return { files: this.store as StoreFiles, path };
  }

  #addSource(
    name: string,
    hostPath: ByteString,
    how: Omit<PendingSource, "kind" | "path" | "hostPath">,
  ): StringWithContext {
    const hash: Hash = { algorithm: "sha256", bytes: fromHex(how.sha256) as Uint8Array };
    const path = this.pathOfContents(name, how.method, hash, how.references ?? []);
    this.post({ kind: "source", path, hostPath, ...how });
    return stringOfPath(path);
  }

  /** Throws the language's error for a name no derivation may have. */
  checkDerivationName(name: string): void {
    const problem = storePathNameProblem(name);
    if (problem === undefined) return;
    const message = `invalid derivation name: ${problem}. Please pass a different 'name'.`;
    throw new EvalError("invalid-value", message);
  }
}

/** How something is copied; `filter` and `references` are for `nar`. */
export type CopyOptions = {
  readonly method: "nar" | "flat";
  readonly filter?: TreeFilter;
  /** Absolute, sorted. */
  readonly references?: readonly ByteString[];
};

/** The filter as hashTree wants it; the language's sees paths as the evaluation names them. */
function filterAt(place: FilePlace, path: ByteString, filter: TreeFilter | undefined): TreeFilter | undefined {
  if (filter === undefined) return place.isPartial ? () => true : undefined;
  return place.path === path ? filter : (below, kind) => filter(path + below.slice(place.path.length), kind);
}

/** The .drv file all begins with. */
function baseDerivation(drvPath: ByteString): ByteString {
  return drvPath.slice(drvPath.lastIndexOf("!") + 1);
}

function referencesOf(object: PendingObject): readonly ByteString[] {
  return object.kind === "fetch" ? [] : (object.references ?? []);
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
