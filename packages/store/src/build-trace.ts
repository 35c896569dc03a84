/*
Realisations as C++ Nix 2.35 keeps them in caches, `build-trace-v2/<.drv>/<output>.doi`: JSON that says what came out and who vouches for it; which derivation's
output it is, the file's name says. And the line of JSON that signatures are over. Follows realisation.cc: keys sorted, nothing between tokens.
*/

import { messageOf } from "@firn/base";
import { toBase64 } from "@firn/hash";
import { parseSignature, parseStorePath, printSignature, type Signature, type StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import { checkRealisation, type Realisation } from "./realisation.ts";

/** Longest entry that is read, in bytes. */
export const BUILD_TRACE_BYTES_MAX = 256 * 1024;

/** Where a cache has the entry of an output. */
export function buildTraceName(drvPath: StorePath, output: string): string {
  return `build-trace-v2/${drvPath}/${output}.doi`;
}

/** Reads an entry. Throws `malformed`, or a rule's code. */
export function parseBuildTraceEntry(text: string, drvPath: StorePath, output: string): Realisation {
  if (text.length > BUILD_TRACE_BYTES_MAX)
    throw new StoreError("limit", `an entry of a build trace has more than ${BUILD_TRACE_BYTES_MAX} bytes`);
  let realisation: Realisation;
  try {
    const { outPath, signatures = [] } = JSON.parse(text) as { outPath: string; signatures?: readonly unknown[] };
    realisation = { drvPath, output, path: parseStorePath(outPath), signatures: Array.from(signatures, signatureOf) };
  } catch (thrown) {
    throw new StoreError("malformed", `not an entry of a build trace: ${messageOf(thrown)}`, { cause: thrown });
  }
  checkRealisation(realisation);
  return realisation;
}

export function printBuildTraceEntry({ path, signatures }: Realisation): string {
  const sorted = [...signatures].sort((left, right) => (printSignature(left) < printSignature(right) ? -1 : 1));
  return JSON.stringify({
    outPath: path.toString(),
    signatures: sorted.map(({ keyName, bytes }) => ({ keyName, sig: toBase64(bytes) })),
  });
}

/** What a signature of a realisation is over. Follows UnkeyedRealisation::fingerprint. */
export function realisationFingerprint({ drvPath, output, path }: Omit<Realisation, "signatures">): string {
  return JSON.stringify({
    key: { drvPath: drvPath.toString(), outputName: output },
    value: { outPath: path.toString() },
  });
}

/** An object, or the text that older ones have. */
function signatureOf(value: unknown): Signature {
  if (typeof value === "string") return parseSignature(value);
  const { keyName, sig } = value as { keyName: string; sig: string };
  return parseSignature(`${keyName}:${sig}`);
}
