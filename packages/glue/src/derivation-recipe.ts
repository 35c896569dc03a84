/*
A derivation as a recipe: which variables, files, paths and rights its builder gets. This is where Nix's promises to builders are
kept; the build room knows none of it.

Paths inside the sandbox are the store paths themselves, so any store directory works. Follows LocalDerivationGoal::initEnv and
writeStructuredAttrs.
*/

import type { ByteString } from "@firn/base";
import type { Recipe } from "@firn/build";
import type { Node } from "@firn/castore";
import {
  DEFAULT_STORE_DIR,
  type Derivation,
  derivationKind,
  type OutputKind,
  parseAbsoluteStorePath,
  passAsFileName,
  placeholder,
  sortedMap,
  sortedSet,
} from "@firn/nix-compat";
import { checkBuildable, type DerivationAttributes } from "./derivation-attributes.ts";
import { type ExportedGraphs, graphJson, registrationText } from "./exported-graphs.ts";
import { structuredAttrsFiles } from "./structured-attrs.ts";

/** Where builders start, relative to the sandbox's root. */
const BUILD_DIRECTORY = "build";

export type RecipeOptions = {
  readonly storeDir?: string;
  /** NIX_BUILD_CORES: how many cores a builder should use, 0 for all there are. 1 when not said. */
  readonly cores?: number;
  /** Where the `impureEnvVars` of fixed-output and impure derivations come from; what is not there is set to nothing. */
  readonly impureEnv?: ReadonlyMap<ByteString, ByteString>;
  /** What the derivation wants to be told of its inputs (exported-graphs.ts). */
  readonly graphs?: ExportedGraphs;
};

export type DerivationRecipe = {
  readonly recipe: Recipe;
  /** Names of the outputs, in the order of `recipe.outputs`. */
  readonly outputNames: readonly string[];
};

/**
 * The recipe of a derivation whose outputs have paths, if only scratch paths (address-outputs.ts). `inputs` is the whole runtime closure of all input paths, by absolute store path. Needles are the hash parts
 * of the outputs, then those of the inputs, each in the recipe's order. Throws `unsupported` or `invalid-derivation`.
 */
export function derivationRecipe(
  drv: Derivation,
  inputs: ReadonlyMap<ByteString, Node>,
  options: RecipeOptions = {},
): DerivationRecipe {
  const storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
  const attributes = checkBuildable(drv);
  const kind = derivationKind(drv);
  const outputNames = [...drv.outputs.keys()];
  const outputPaths = Array.from(drv.outputs.values(), ({ path }) => path);
  const inputPaths = sortedSet(inputs.keys());
  const rewrite = placeholderRewriter(drv);
  const { env, files } = environment(drv, attributes, kind, storeDir, options);
  return {
    recipe: {
      inputs: inputPaths.map((path) => ({ path: path.slice(1), node: inputs.get(path) as Node })),
      argv: [drv.builder, ...drv.args.map(rewrite)],
      argv0: drv.builder.slice(drv.builder.lastIndexOf("/") + 1),
      env: Array.from(sortedMap(env), ([name, value]) => ({ name, value: rewrite(value) })),
      files: Array.from(sortedMap(files), ([name, contents]) => ({
        path: `${BUILD_DIRECTORY}/${name}`,
        contents: rewrite(contents),
      })),
      workingDirectory: BUILD_DIRECTORY,
      outputs: outputPaths.map((path) => path.slice(1)),
      constraints: {
        system: drv.system,
        features: sortedSet(attributes.words("requiredSystemFeatures")),
        network: mayUseNetwork(kind),
        shell: true,
      },
      needles: [...outputPaths, ...inputPaths].map((path) => parseAbsoluteStorePath(path, storeDir).hashPart),
    },
    outputNames,
  };
}

type Surroundings = {
  readonly env: Map<ByteString, ByteString>;
  /** By name below the build directory. */
  readonly files: Map<ByteString, ByteString>;
};

/** In the order C++ Nix sets them: a derivation can replace the first four variables and none of the later ones. */
function environment(
  drv: Derivation,
  attributes: DerivationAttributes,
  kind: OutputKind,
  storeDir: string,
  options: RecipeOptions,
): Surroundings {
  const build = `/${BUILD_DIRECTORY}`;
  const env = new Map<ByteString, ByteString>([
    ["PATH", "/path-not-set"],
    ["HOME", "/homeless-shelter"],
    ["NIX_STORE", storeDir],
    ["NIX_BUILD_CORES", String(options.cores ?? 1)],
  ]);
  const files = new Map<ByteString, ByteString>();
  const graphs = Array.from(options.graphs ?? []);
  if (attributes.structured === undefined) {
    const passedAsFile = new Set(attributes.words("passAsFile"));
    for (const [name, value] of drv.env) {
      if (!passedAsFile.has(name)) env.set(name, value);
      else {
        const file = passAsFileName(name);
        files.set(file, value);
        env.set(`${name}Path`, `${build}/${file}`);
      }
    }
    for (const [name, graph] of graphs) files.set(name, registrationText(graph, storeDir));
  }
  env.set("NIX_BUILD_TOP", build);
  for (const name of ["TMPDIR", "TEMPDIR", "TMP", "TEMP", "PWD"]) env.set(name, build);
  if (kind === "fixed") env.set("NIX_OUTPUT_CHECKED", "1");
  if (mayUseNetwork(kind))
    for (const name of attributes.words("impureEnvVars")) env.set(name, options.impureEnv?.get(name) ?? "");
  env.set("NIX_LOG_FD", "2");
  env.set("TERM", "xterm-256color");
  if (attributes.structured !== undefined) {
    const { json, sh } = structuredAttrsFiles(
      attributes.structured,
      drv,
      graphs.map(([name, graph]) => [name, graphJson(graph, storeDir)] as const),
    );
    files.set(".attrs.json", json);
    files.set(".attrs.sh", sh);
    env.set("NIX_ATTRS_JSON_FILE", `${build}/.attrs.json`);
    env.set("NIX_ATTRS_SH_FILE", `${build}/.attrs.sh`);
  }
  return { env, files };
}

/** Those whose result is known beforehand, and those that need not have the same result twice. */
function mayUseNetwork(kind: OutputKind): boolean {
  return kind === "fixed" || kind === "impure";
}

/** Puts the paths of the derivation's own outputs where their placeholders are. */
function placeholderRewriter(drv: Derivation): (text: ByteString) => ByteString {
  const rewrites = Array.from(drv.outputs, ([name, { path }]) => [placeholder(name), path] as const);
  return (text) => {
    let rewritten = text;
    for (const [from, to] of rewrites) rewritten = rewritten.replaceAll(from, () => to);
    return rewritten;
  };
}
