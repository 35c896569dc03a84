/* Derivations written by hand, stores in memory and a build service whose builders are functions. */

import { bytesOf, type ByteString } from "@firn/base";
import {
  type Attempt,
  type AttemptEnd,
  type AttemptEvent,
  BuildError,
  type BuildService,
  checkRecipe,
  type Recipe,
  ReferenceScanner,
  type SubmitOptions,
  type SubmittedRecipe,
} from "@firn/build";
import {
  type Digest,
  Directory,
  type ImportOptions,
  MemoryBlobs,
  MemoryDirectories,
  MemoryLeases,
  type Node,
} from "@firn/castore";
import { hashByteString } from "@firn/hash";
import {
  type Derivation,
  derivationPathOfText,
  type DerivationModulo,
  type DerivationOutput,
  fillOutputPaths,
  fixedOutput,
  sortedMap,
  sortedSet,
  UNFILLED_OUTPUT,
} from "@firn/nix-compat";
import { MemoryPathInfos, MemoryRealisations } from "@firn/store";
import type { PendingObject } from "../src/pending.ts";

export const NOW = 1_700_000_000_000;

export type Written = {
  readonly drvPath: ByteString;
  readonly derivation: Derivation;
  readonly modulo: DerivationModulo;
  readonly pending: PendingObject;
};

export type Wish = {
  readonly outputs?: Readonly<Record<string, DerivationOutput>>;
  readonly inputs?: readonly Written[];
  readonly dynamicInputs?: Derivation["dynamicInputs"];
  readonly sources?: readonly ByteString[];
  readonly env?: Readonly<Record<string, ByteString>>;
  readonly builder?: ByteString;
  readonly args?: readonly ByteString[];
};

/** A derivation that needs all outputs of its inputs; input-addressed with one output unless told otherwise. */
export function derive(name: string, wish: Wish = {}): Written {
  const inputs = wish.inputs ?? [];
  const unfilled: Derivation = {
    name,
    outputs: sortedMap(Object.entries(wish.outputs ?? { out: UNFILLED_OUTPUT })),
    inputDrvs: sortedMap(inputs.map(({ drvPath, derivation }) => [drvPath, [...derivation.outputs.keys()]] as const)),
    ...(wish.dynamicInputs === undefined ? {} : { dynamicInputs: wish.dynamicInputs }),
    inputSrcs: sortedSet(wish.sources ?? []),
    system: "x86_64-linux",
    builder: wish.builder ?? "/bin/sh",
    args: wish.args ?? [],
    env: sortedMap(Object.entries({ name, ...wish.env })),
  };
  const moduloOf = new Map(inputs.map(({ drvPath, modulo }) => [drvPath, modulo]));
  const { derivation, modulo, text } = fillOutputPaths(
    unfilled,
    (drvPath) => moduloOf.get(drvPath) as DerivationModulo,
  );
  const drvPath = derivationPathOfText(derivation, text).absolute();
  const references = sortedSet([...derivation.inputSrcs, ...derivation.inputDrvs.keys()]);
  return { drvPath, derivation, modulo, pending: { kind: "derivation", path: drvPath, text, references } };
}

/** A fixed output that must have these contents. */
export function flatOutput(contents: ByteString): DerivationOutput {
  return fixedOutput("flat", { algorithm: "sha256", bytes: hashByteString("sha256", contents) });
}

export function outputOf({ derivation }: Written, name = "out"): ByteString {
  return (derivation.outputs.get(name) as DerivationOutput).path;
}

export function memoryStores() {
  const leases = new MemoryLeases();
  const blobs = new MemoryBlobs(leases);
  const directories = new MemoryDirectories(leases);
  /** Host files by path: contents, or a directory of such. */
  const host = new Map<string, HostTree>();
  const importer = {
    importTree: async (path: string, options: ImportOptions = {}): Promise<Node> => {
      const take = async (tree: HostTree, relative: ByteString): Promise<Node> => {
        if (typeof tree === "string") return fileOf(blobs, tree, true);
        const entries = [];
        for (const [name, child] of Object.entries(tree)) {
          const below = relative === "" ? name : `${relative}/${name}`;
          if (options.filter?.(below, typeof child === "string" ? "file" : "directory") === false) continue;
          entries.push({ name, node: await take(child, below) });
        }
        const directory = new Directory(entries);
        await directories.put(directory);
        return directory.node;
      };
      return take(host.get(path) as HostTree, "");
    },
  };
  return {
    leases,
    blobs,
    directories,
    pathInfos: new MemoryPathInfos(leases),
    realisations: new MemoryRealisations(leases),
    importer,
    host,
    now: () => NOW,
  };
}

export type HostTree = string | { readonly [name: string]: HostTree };

export async function fileOf(blobs: MemoryBlobs, contents: ByteString, executable = false): Promise<Node> {
  return { kind: "file", digest: await blobs.put(bytesOf(contents)), size: contents.length, executable };
}

/** What a builder makes: file contents, or a node, by output path without leading slash; or how it fails. */
export type Made = Readonly<Record<ByteString, ByteString | Node>> | { readonly end: AttemptEnd };
export type Builder = (recipe: Recipe, log: (text: string) => void, signal: AbortSignal) => Promise<Made>;

/** A service that runs `builder` for each submission, by label, and counts. */
export function fakeService(blobs: MemoryBlobs, builder: (label: string) => Builder) {
  const submitted: { readonly label: string; readonly recipe: Recipe }[] = [];
  const refused: string[] = [];
  const state = { running: 0, runningMax: 0 };
  const attempts = new Map<string, () => AsyncIterable<AttemptEvent>>();
  const service: BuildService = {
    supports: { systems: ["x86_64-linux"], features: [], isolation: { files: true, network: true, processes: true } },
    submit: async (recipes, options = {}) => recipes.map((one) => submitOne(one, options)),
    watch: (id) => (attempts.get(id) as () => AsyncIterable<AttemptEvent>)(),
    cancel: async () => {},
    refuse: async (id, { reason }) => void refused.push(`${id} ${reason}`),
    get: async () => undefined,
    list: async () => ({ attempts: [] }),
    recipe: async () => undefined,
  };
  const submitOne = ({ recipe, label = "" }: SubmittedRecipe, options: SubmitOptions) => {
    checkRecipe(recipe);
    if (recipe.constraints.features.length > 0) throw new BuildError("unsupported", "no such feature here");
    submitted.push({ label, recipe });
    state.runningMax = Math.max(state.runningMax, ++state.running);
    const events: AttemptEvent[] = [];
    const cancelled = options.signal ?? new AbortController().signal;
    const started: Attempt = {
      id: String(submitted.length),
      recipe: "" as Digest,
      label,
      builder: "fake",
      status: "running",
      queuedAtMs: 1,
      startedAtMs: 1,
      outputs: [],
    };
    const log = (text: string) => void events.push({ type: "log", bytes: bytesOf(text), at: 0 });
    const result = run(blobs, recipe, builder(label), log, cancelled).then((attempt) => {
      state.running--;
      return { ...started, ...attempt };
    });
    attempts.set(started.id, async function* () {
      yield { type: "started", attempt: started };
      const attempt = await result;
      yield* events;
      yield { type: "ended", attempt };
    });
    return started.id;
  };
  return { service, submitted, refused, state };
}

async function run(
  blobs: MemoryBlobs,
  recipe: Recipe,
  builder: Builder,
  log: (text: string) => void,
  signal: AbortSignal,
) {
  const aborted = new Promise<Made>((resolve) => {
    signal.addEventListener("abort", () => resolve({ end: { reason: "cancelled" } }), { once: true });
  });
  const made = await Promise.race([builder(recipe, log, signal), aborted]);
  if ("end" in made && typeof made.end === "object" && "reason" in made.end) {
    return { status: "failed" as const, end: made.end, outputs: [] };
  }
  const outputs = [];
  for (const path of recipe.outputs) {
    const scanner = new ReferenceScanner(recipe.needles);
    const contents = (made as Readonly<Record<ByteString, ByteString | Node>>)[path] ?? `made ${path}`;
    if (typeof contents === "string") scanner.file()(bytesOf(contents));
    const node = typeof contents === "string" ? await fileOf(blobs, contents) : contents;
    outputs.push({ path, node, needles: scanner.found() });
  }
  return { status: "succeeded" as const, end: { reason: "succeeded" as const }, outputs };
}
