/*
Outputs whose store paths follow from their contents. They are built under a path made up for the attempt, the *scratch* path; then their
hash is taken as if that path's hash part were not there, the final path follows from the hash and from what they refer to, and the one is
replaced by the other wherever it occurs. Follows newInfoFromCA in registerOutputs of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions, Node } from "@firn/castore";
import {
  type ContentAddress,
  type ContentAddressMethod,
  type Derivation,
  type DerivationOutput,
  makeFixedOutputPath,
  makeStorePath,
  outputPathName,
  parseAbsoluteStorePath,
  replaceHashParts,
  splitMethodPrefix,
  type StorePath,
} from "@firn/nix-compat";
import { type Hash, isHashAlgorithm } from "@firn/hash";
import {
  calculateNar,
  hashContents,
  ingestNar,
  type NarDigest,
  type PathInfo,
  renderNar,
  sortedReferences,
  StoreError,
  type StoreServices,
} from "@firn/store";
import { GlueError } from "./error.ts";

/** SHA-256 of nothing known yet, in base 16. */
const NO_HASH = "0".repeat(64);

/** Whether the output's path follows from what is built. */
export function isAddressedByContents({ kind }: DerivationOutput): boolean {
  return kind === "floating" || kind === "impure";
}

/** The derivation with a scratch path for each output whose path is not known. `drvPath` makes them its own. */
export function withScratchPaths(drvPath: ByteString, drv: Derivation, storeDir: string): Derivation {
  if (![...drv.outputs.values()].some(isAddressedByContents)) return drv;
  const base = parseAbsoluteStorePath(drvPath, storeDir).toString();
  const outputs = Array.from(drv.outputs, ([name, output]): [string, DerivationOutput] => {
    if (!isAddressedByContents(output)) return [name, output];
    const scratch = makeStorePath(`rewrite:${base}:name:${name}`, NO_HASH, outputPathName(drv.name, name), storeDir);
    return [name, { ...output, path: scratch.absolute(storeDir) }];
  });
  return { ...drv, outputs: new Map(outputs) };
}

export type ScratchOutput = {
  /** Of the final path. */
  readonly name: string;
  readonly output: DerivationOutput;
  readonly node: Node;
  /** Store paths that occur in the contents, scratch paths as they were built. */
  readonly mentions: readonly StorePath[];
  /** Those that count as references. */
  readonly references: readonly StorePath[];
};

export type AddressedOutput = Pick<PathInfo, "path" | "node" | "references" | "contentAddress"> & NarDigest;

/** The final output. `finals` has the final paths of the other outputs it mentions, by the hash part of their scratch path. */
export async function addressOutput(
  { name, output, node, mentions, references }: ScratchOutput,
  finals: ReadonlyMap<string, StorePath>,
  services: Pick<StoreServices, "blobs" | "directories"> & { readonly storeDir: string },
  options: CallOptions,
): Promise<AddressedOutput> {
  const { storeDir } = services;
  const scratch = parseAbsoluteStorePath(output.path, storeDir);
  const replacements = new Map<string, string>();
  for (const { hashPart } of mentions) {
    const final = finals.get(hashPart);
    if (final !== undefined) replacements.set(hashPart, final.hashPart);
  }
  const { method, rest: algorithm } = splitMethodPrefix(output.hashAlgorithm);
  if (!isHashAlgorithm(algorithm))
    throw new GlueError("invalid-derivation", `'${algorithm}' is no hash algorithm outputs can be addressed by`);
  checkFlat(method, node, output.path);
  const selfHashPart = mentions.some((path) => path.equals(scratch)) ? scratch.hashPart : undefined;
  // Nothing to replace in a NAR that is hashed as path infos have it: then one pass is enough.
  const isPlain = replacements.size === 0 && selfHashPart === undefined;
  const nar = isPlain ? await calculateNar(node, services, options) : undefined;
  const hash: Hash =
    nar !== undefined && method === "nar" && algorithm === "sha256"
      ? { algorithm, bytes: nar.narSha256 }
      : await hashContents(node, { method, algorithm, replacements, selfHashPart }, services, options);
  const contentAddress: ContentAddress = { method, hash };
  const others = sortedReferences(
    references.filter((path) => !path.equals(scratch)).map((path) => finals.get(path.hashPart) ?? path),
  );
  const selfReference = references.some((path) => path.equals(scratch));
  if (method === "text" && selfReference) throw refused("self-reference not allowed with text hashing");
  if ((others.length > 0 || selfReference) && (method !== "nar" || algorithm !== "sha256") && method !== "text") {
    const message = `fixed output derivation '${name}' is not allowed to refer to other store paths.\nYou may need to use the 'unsafeDiscardReferences' derivation attribute, see the manual for more details.`;
    throw refused(message);
  }
  const path = makeFixedOutputPath({ method, hash, name, references: others, selfReference }, storeDir);
  const final = { path, contentAddress, references: selfReference ? sortedReferences([...others, path]) : others };
  if (selfHashPart !== undefined) replacements.set(selfHashPart, path.hashPart);
  if (nar !== undefined) return { ...final, node, ...nar };
  try {
    const moved = replaceHashParts(renderNar(node, services, options), replacements);
    return { ...final, ...(await ingestNar(moved, services, options)) };
  } catch (thrown) {
    if (!(thrown instanceof StoreError && thrown.code === "malformed")) throw thrown;
    const message = `output path '${output.path}' has file names with store paths of outputs in them, whose order changes with these`;
    throw refused(message, thrown);
  }
}

/** Where only bytes of a file are hashed, there must be such a file and nothing else to it. */
export function checkFlat(method: ContentAddressMethod, node: Node, path: ByteString): void {
  if ((method !== "flat" && method !== "text") || (node.kind === "file" && !node.executable)) return;
  const message = `output path '${path}' should be a non-executable regular file since recursive hashing is not enabled (one of outputHashMode={flat,text} is true)`;
  throw refused(message);
}

function refused(message: string, cause?: unknown): GlueError {
  return new GlueError("build-failed", message, { context: { reason: "output-refused" }, cause });
}
