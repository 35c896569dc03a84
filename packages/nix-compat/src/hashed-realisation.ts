/*
Realisations as C++ Nix before 2.35 writes them down, in caches (`realisations/<name>.doi`) and to daemons: an output's name made from the hash of its derivation
(`sha256:<hash modulo>!<output>`), what came out, and who vouches for it. Which derivation that is, only the derivation can say.

Follows realisation.cc of 2.8: JSON with its keys sorted and nothing between tokens; without its signatures it is what signatures are over.
*/

import { bytesOf, messageOf } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { parseSignature, printSignature, type Signature } from "./signature.ts";
import { parseStorePath, type StorePath } from "./store-path.ts";

/** Longest that is read, in bytes. */
export const HASHED_REALISATION_BYTES_MAX = 1024 * 1024;

export type HashedRealisation = {
  readonly name: string;
  readonly path: StorePath;
  readonly signatures: readonly Signature[];
  /** What inputs came out as, base names of paths by name: signed as well, and otherwise of no use here. */
  readonly dependents?: Readonly<Record<string, string>>;
};

/** Hash modulo and output; undefined for what is no such name. */
export function splitHashedName(name: string): { readonly hex: string; readonly output: string } | undefined {
  const [, hex, output] = /^sha256:([0-9a-f]{64})!([^/!]{1,255})$/.exec(name) ?? [];
  return output === undefined ? undefined : { hex, output };
}

/** Throws `invalid-realisation`, or `limit`. */
export function parseHashedRealisation(text: string): HashedRealisation {
  if (text.length > HASHED_REALISATION_BYTES_MAX)
    throw new NixCompatError("limit", `a realisation has more than ${HASHED_REALISATION_BYTES_MAX} bytes`);
  try {
    const { id, outPath, signatures = [], dependentRealisations = {} } = JSON.parse(text);
    if (typeof id !== "string") throw new Error("it has no id");
    const dependents = Object.entries<string>(dependentRealisations);
    return {
      name: id,
      path: parseStorePath(outPath),
      signatures: Array.from<string, Signature>(signatures, parseSignature),
      dependents: Object.fromEntries(dependents.map(([name, path]) => [name, parseStorePath(path).toString()])),
    };
  } catch (cause) {
    throw new NixCompatError("invalid-realisation", `no realisation: ${messageOf(cause)}`, { cause });
  }
}

export function printHashedRealisation(realisation: HashedRealisation): string {
  return JSON.stringify({ ...unsigned(realisation), signatures: realisation.signatures.map(printSignature).sort() });
}

/** What signatures are over. */
export function hashedRealisationFingerprint(realisation: Omit<HashedRealisation, "signatures">): Uint8Array {
  return bytesOf(JSON.stringify(unsigned(realisation)));
}

/** In the order in which it is printed. */
function unsigned({ name, path, dependents = {} }: Omit<HashedRealisation, "signatures">) {
  const sorted = Object.entries(dependents).sort(([left], [right]) => (left < right ? -1 : 1));
  return { dependentRealisations: Object.fromEntries(sorted), id: name, outPath: path.toString() };
}
