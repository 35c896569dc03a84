/* Evaluations without disk or processes: files and store in memory, a realiser that is a function. */

import type { ByteString } from "@firn/base";
import { EvalError, Evaluator, PathValue, valueToJson } from "@firn/eval";
import { StoreIo } from "../src/eval-io.ts";
import { EvalStore, type StoreFiles } from "../src/eval-store.ts";
import type { PendingObject } from "../src/pending.ts";
import type { FetchRequest, Realiser, RealiseRequest } from "../src/realiser.ts";
import { storeBuiltins } from "../src/store-builtins.ts";

type Tree = string | { readonly link: string } | { readonly [name: string]: Tree };

/** Files by absolute path: texts, links and directories. */
export class MemoryFiles implements StoreFiles {
  readonly roots = new Map<ByteString, Tree>();
  readonly referencesOf = new Map<ByteString, readonly ByteString[]>();

  #at(path: ByteString): Tree | undefined {
    for (const [root, tree] of this.roots) {
      if (path !== root && !path.startsWith(`${root}/`)) continue;
      let at: Tree | undefined = tree;
      for (const name of path.slice(root.length + 1).split("/")) {
        if (name !== "") at = typeof at === "object" && !("link" in at) ? at[name] : undefined;
      }
      return at;
    }
    return undefined;
  }

  #kind(tree: Tree) {
    return typeof tree === "string" ? "regular" : typeof tree.link === "string" ? "symlink" : "directory";
  }

  status(path: ByteString) {
    const at = this.#at(path);
    return at === undefined ? undefined : ({ kind: this.#kind(at), executable: false } as const);
  }

  readFile(path: ByteString): Uint8Array {
    return Buffer.from(this.readText(path), "latin1");
  }

  readText(path: ByteString): ByteString {
    const at = this.#at(path);
    if (typeof at !== "string") throw new EvalError("io", `path '${path}' does not exist`);
    return at;
  }

  readDirectory(path: ByteString) {
    const at = this.#at(path);
    if (typeof at !== "object") throw new EvalError("io", `path '${path}' does not exist`);
    return Object.entries(at).map(([name, tree]) => [name, this.#kind(tree)] as const);
  }

  readLink(path: ByteString): ByteString {
    return (this.#at(path) as { readonly link: string }).link;
  }

  references(path: ByteString) {
    return this.roots.has(path) ? (this.referencesOf.get(path) ?? []) : undefined;
  }
}

export type TestOptions = {
  readonly features?: readonly string[];
  readonly allowImportFromDerivation?: boolean;
  readonly realise?: (request: RealiseRequest, store: MemoryFiles) => void;
  readonly fetch?: (request: FetchRequest, store: MemoryFiles) => ByteString;
};

export class TestEvaluation {
  readonly files = new MemoryFiles();
  readonly storeFiles = new MemoryFiles();
  readonly pending = new Map<ByteString, PendingObject>();
  readonly requests: RealiseRequest[] = [];
  readonly warnings: string[] = [];
  readonly #evaluator: Evaluator;

  constructor(options: TestOptions = {}) {
    const { realise, fetch } = options;
    const nothing = (): never => {
      throw new EvalError("store", "the test builds nothing");
    };
    const realiser: Realiser = {
      realise: (request) => {
        this.requests.push(request);
        (realise ?? nothing)(request, this.storeFiles);
        return request.outputs.map(({ path }) => path);
      },
      fetch: (request) => (fetch ?? nothing)(request, this.storeFiles),
    };
    const store = new EvalStore({
      storeDir: "/nix/store",
      files: this.files,
      store: this.storeFiles,
      realiser,
      ...(options.features === undefined ? {} : { experimentalFeatures: options.features }),
      ...(options.allowImportFromDerivation === undefined
        ? {}
        : { allowImportFromDerivation: options.allowImportFromDerivation }),
      onPending: (object) => this.pending.set(object.path, object),
    });
    const io = new StoreIo({ store, environment: () => "", log: (_kind, text) => void this.warnings.push(text) });
    this.#evaluator = new Evaluator({ io, builtins: storeBuiltins(store) });
  }

  /** The value of an expression as JSON would have it. */
  value(expression: string): unknown {
    const evaluator = this.#evaluator;
    return evaluator.run(() => {
      const value = evaluator.evaluate(expression, new PathValue(evaluator.io.rootTree, "/"));
      return JSON.parse(valueToJson(value, { strict: true }).text);
    });
  }

  /** The text of the .drv file of a derivation given by an expression. */
  drvText(expression: string): string {
    const path = this.value(`builtins.unsafeDiscardStringContext (${expression}).drvPath`) as string;
    const object = this.pending.get(path);
    if (object?.kind !== "derivation") throw new Error(`${path} was not posted`);
    return object.text;
  }
}
