/*
The variables a derivation's builder gets, and the files beside them: attributes, passed as they are or as files, what is the same for all
builders, and structured attributes. Follows LocalDerivationGoal::initEnv and writeStructuredAttrs.
*/

import type { ByteString } from "@firn/base";
import {
  DEFAULT_STORE_DIR,
  type Derivation,
  derivationKind,
  type OutputKind,
  passAsFileName,
  placeholder,
} from "@firn/nix-compat";
import { checkBuildable } from "./derivation-attributes.ts";
import { type ExportedGraphs, graphJson, registrationText } from "./exported-graphs.ts";
import { structuredAttrsFiles } from "./structured-attrs.ts";

/** Where builders start when nothing else is said. */
export const BUILD_DIRECTORY = "/build";

export type RecipeOptions = {
  readonly storeDir?: string;
  /** NIX_BUILD_CORES: how many cores a builder should use, 0 for all there are. 1 when not said. */
  readonly cores?: number;
  /** Where the `impureEnvVars` of fixed-output and impure derivations come from; what is not there is set to nothing. */
  readonly impureEnv?: ReadonlyMap<ByteString, ByteString>;
  /** Where the builder starts, absolute; "/build" when not said. */
  readonly buildDirectory?: ByteString;
  /** What the derivation wants to be told of its inputs (exported-graphs.ts). */
  readonly graphs?: ExportedGraphs;
};

export type BuilderEnvironment = {
  readonly env: ReadonlyMap<ByteString, ByteString>;
  /** By name below the build directory. */
  readonly files: ReadonlyMap<ByteString, ByteString>;
  /** Absolute. */
  readonly buildDirectory: ByteString;
};

/**
 * The variables and files a derivation's builder gets, in the order C++ Nix sets them: a derivation can replace the first four variables and none
 * of the later ones. Placeholders of own outputs are replaced by their paths. Throws `unsupported` or `invalid-derivation`.
 */
export function builderEnvironment(drv: Derivation, options: RecipeOptions = {}): BuilderEnvironment {
  const storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
  const build = options.buildDirectory ?? BUILD_DIRECTORY;
  const attributes = checkBuildable(drv);
  const kind = derivationKind(drv);
  const rewrite = placeholderRewriter(drv);
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
  for (const [name, value] of env) env.set(name, rewrite(value));
  for (const [name, contents] of files) files.set(name, rewrite(contents));
  return { env, files, buildDirectory: build };
}

/** Those whose result is known beforehand, and those that need not have the same result twice. */
export function mayUseNetwork(kind: OutputKind): boolean {
  return kind === "fixed" || kind === "impure";
}

/** Puts the paths of the derivation's own outputs where their placeholders are. */
export function placeholderRewriter(drv: Derivation): (text: ByteString) => ByteString {
  const rewrites = Array.from(drv.outputs, ([name, { path }]) => [placeholder(name), path] as const);
  return (text) => {
    let rewritten = text;
    for (const [from, to] of rewrites) rewritten = rewritten.replaceAll(from, () => to);
    return rewritten;
  };
}
