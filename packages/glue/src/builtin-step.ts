/*
Builders that are part of Firn (`builtin:…`): nothing runs in a sandbox; what such a builder makes of nodes in the store is searched for references,
checked and registered like any output.
*/

import type { ByteString } from "@firn/base";
import { ReferenceScanner } from "@firn/build";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { type Derivation, type DerivationOutput, parseAbsoluteStorePath } from "@firn/nix-compat";
import { renderNar } from "@firn/store";
import { buildProfile } from "./build-profile.ts";
import { ClosureFiles } from "./closure-files.ts";
import { GlueError } from "./error.ts";
import { fetchUrl } from "./fetch-url.ts";
import type { Fetcher } from "./fetcher.ts";
import type { OutputPaths } from "./realised-outputs.ts";
import { registerOutputs, type RegisterParts } from "./register-outputs.ts";
import { unpackChannel } from "./unpack-channel.ts";

/** What such a builder works with. */
export type BuiltinBuild = {
  readonly derivation: Derivation;
  /** Everything it was given. */
  readonly files: ClosureFiles;
  /** An environment variable that has to be there. */
  readonly attribute: (name: string) => ByteString;
  /** The error to throw when it cannot make its output; it begins with who failed. */
  readonly refusal: (why: string) => GlueError;
  /** Takes a line of its log. */
  readonly onLine: (line: ByteString) => void;
  readonly fetcher: Fetcher | undefined;
  readonly services: CastoreServices;
  readonly options: CallOptions;
};

/** Each makes the output named out. checkBuildable knows their names (BUILTIN_BUILDERS). */
const BUILDERS: ReadonlyMap<ByteString, (build: BuiltinBuild) => Promise<Node>> = new Map([
  ["builtin:fetchurl", fetchUrl],
  ["builtin:buildenv", buildProfile],
  ["builtin:unpack-channel", unpackChannel],
]);

export type BuiltinStep = {
  readonly drvPath: ByteString;
  /** Its outputs have paths, if only scratch paths. */
  readonly derivation: Derivation;
  /** The closure of its inputs, by absolute store path. */
  readonly inputs: ReadonlyMap<ByteString, Node>;
};

export type BuiltinParts = RegisterParts & { readonly fetcher?: Fetcher };

/** Builds and registers the output. Throws as the builder and registerOutputs do. */
export async function builtinStep(
  { drvPath, derivation, inputs }: BuiltinStep,
  parts: BuiltinParts,
  onLine: (line: ByteString) => void,
  options: CallOptions,
): Promise<OutputPaths> {
  const { storeDir, fetcher } = parts;
  const context = { derivation: derivation.name, reason: "exit-code" };
  const refusal = (why: string) =>
    new GlueError("build-failed", `builder for '${drvPath}' failed: ${why}`, { context });
  const attribute = (name: string) => {
    const value = derivation.env.get(name);
    if (value === undefined) throw refusal(`attribute '${name}' missing`);
    return value;
  };
  const [extra] = [...derivation.outputs.keys()].filter((name) => name !== "out");
  if (extra !== undefined) throw refusal(`it produces one output, out, and no '${extra}'`);
  const build = BUILDERS.get(derivation.builder) as (build: BuiltinBuild) => Promise<Node>;
  const files = new ClosureFiles(inputs, storeDir, parts, options);
  const node = await build({ derivation, files, attribute, refusal, onLine, fetcher, services: parts, options });
  const output = (derivation.outputs.get("out") as DerivationOutput).path;
  const paths = [output, ...[...inputs.keys()].sort()];
  const scanner = new ReferenceScanner(paths.map((path) => parseAbsoluteStorePath(path, storeDir).hashPart));
  const scan = scanner.file();
  for await (const chunk of renderNar(node, parts, options)) scan(chunk);
  const [outputPath, ...inputPaths] = paths.map((path) => path.slice(1));
  const recipe = { outputs: [outputPath], inputs: inputPaths.map((path) => ({ path, node })) };
  const outputs = [{ path: outputPath, node, needles: scanner.found() }];
  return await registerOutputs({ drvPath, derivation, recipe, outputs }, parts, options);
}
