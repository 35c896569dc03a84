/*
One evaluator over a nixpkgs tree, answering attribute by attribute: the .drv path, or how it fails. Also says what a derivation consists of, for
telling two of them apart.
*/

import { parentPort, workerData } from "node:worker_threads";
import { assert, byteStringOfText } from "@firn/base";
import { Attrs, EvalError, Evaluator, force, forceText, type Lazy, PathValue, type Value } from "@firn/eval";
import type { PendingObject } from "@firn/glue";
import { EvalStore, storeBuiltins, StoreIo } from "@firn/glue/evaluation";
import { useNodeKernels } from "@firn/hash/node";
import { DiskCodeStore } from "../packages/cli/src/evaluator/disk-code-store.ts";
import { DiskFiles } from "../packages/cli/src/evaluator/disk-files.ts";

export type WorkerOptions = { readonly tree: string; readonly nixos: string; readonly codeCache: string };

/** `outcome`: a .drv path, or `!caught` (tryEval would catch it), `!error`, `!notdrv`. */
export type Answer = {
  readonly attr: string;
  readonly outcome: string;
  readonly detail: string;
  readonly heapBytes: number;
};

/** The .drv texts of a closure, asked for by one attribute. */
export type Texts = { readonly attr: string; readonly texts: readonly (readonly [path: string, text: string])[] };

/** The attribute that stands for nixos-minimal.nix. */
export const NIXOS = "nixos-minimal";

const port = parentPort;
assert(port !== null, "nixpkgs-worker.ts runs in a worker thread");
const options: WorkerOptions = workerData;

useNodeKernels();
Error.stackTraceLimit = 0;

const pending = new Map<string, PendingObject>();
const files = new DiskFiles();
const store = new EvalStore({ storeDir: "/nix/store", files, onPending: (object) => pending.set(object.path, object) });
const io = new StoreIo({ store, environment: () => "", log: () => {} });
const evaluator = new Evaluator({
  io,
  builtins: storeBuiltins(store),
  currentSystem: "x86_64-linux",
  currentTime: 0,
  codeStore: new DiskCodeStore(options.codeCache),
});

const base = new PathValue(io.rootTree, "/");
const tree = byteStringOfText(options.tree);
let packages: Value | undefined;

function rootOf(attr: string): Value {
  if (attr === NIXOS) return evaluator.evaluate(`import ${byteStringOfText(options.nixos)} { tree = ${tree}; }`, base);
  packages ??= evaluator.evaluate(`import ${tree} { system = "x86_64-linux"; config = { }; overlays = [ ]; }`, base);
  return packages;
}

/** The value at a dotted path; a path that leads nowhere is an error, as selecting is in the language. */
function valueAt(attr: string): Value {
  let value = rootOf(attr);
  for (const name of attr === NIXOS ? [] : attr.split(".")) {
    const next: Lazy | undefined = value instanceof Attrs ? value.get(name) : undefined;
    if (next === undefined) throw new EvalError("missing-attribute", `attribute '${name}' missing`);
    value = force(next);
  }
  return value;
}

function outcomeOf(attr: string): string {
  const value = valueAt(attr);
  if (!(value instanceof Attrs)) return "!notdrv";
  const type = value.get("type");
  if (type === undefined || force(type) !== "derivation") return "!notdrv";
  return forceText(value.get("drvPath") as Lazy);
}

function answer(attr: string): Answer {
  let outcome: string;
  let detail = "";
  try {
    outcome = evaluator.run(() => outcomeOf(attr));
  } catch (thrown) {
    if (!(thrown instanceof EvalError)) throw thrown;
    outcome = thrown.catchable ? "!caught" : "!error";
    const where = evaluator.positions.describe(thrown.pos) ?? "";
    detail = `${thrown.message.split("\n")[0].slice(0, 200)} ${where}`;
  }
  return { attr, outcome, detail, heapBytes: process.memoryUsage().heapUsed };
}

function textsOf(attr: string): Texts {
  const texts: [string, string][] = [];
  const drvPath = evaluator.run(() => outcomeOf(attr));
  for (const path of store.closureOfDerivation(drvPath)) {
    const object = pending.get(path);
    if (object?.kind === "derivation") texts.push([path, object.text]);
  }
  return { attr, texts };
}

port.on("message", (request: { readonly attr: string; readonly texts: boolean }) => {
  port.postMessage(request.texts ? textsOf(request.attr) : answer(request.attr));
});
