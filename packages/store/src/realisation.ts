/*
A realisation says what an output of a derivation came out as, where the derivation alone does not: outputs whose paths follow from their
contents, and outputs of derivations that depend on such.

It is named by the derivation's store path and the output, as C++ Nix 2.35 names it (`<drvPath>^<output>`, build-trace-v2). The name of older ones
(`sha256:<hash modulo>!<output>`) follows from the derivation, which is in the store: for a resolved one, which has no input derivations, from its
text alone.
*/

import { checkOutputName, printSignature, type Signature, type StorePath } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import { SIGNATURES_MAX } from "./path-info-rules.ts";

export type Realisation = {
  /** Of the .drv. */
  readonly drvPath: StorePath;
  readonly output: string;
  /** What came out. */
  readonly path: StorePath;
  readonly signatures: readonly Signature[];
};

/** Throws `invalid-realisation` (or `limit`) naming the rule that is broken. */
export function checkRealisation({ drvPath, output, signatures }: Realisation): void {
  const context = { path: drvPath.toString(), output };
  if (!drvPath.isDerivation)
    throw new StoreError("invalid-realisation", `${drvPath} is realised, which is no .drv`, { context });
  try {
    checkOutputName(output);
  } catch (cause) {
    throw new StoreError("invalid-realisation", `${drvPath} has no such output: '${output.slice(0, 300)}'`, {
      context,
      cause,
    });
  }
  if (signatures.length > SIGNATURES_MAX)
    throw new StoreError("limit", `the realisation of ${drvPath} has more than ${SIGNATURES_MAX} signatures`, {
      context,
    });
}

/** What is kept when `later` comes after `earlier`: the newest path counts, and of the same path all signatures. */
export function mergeRealisation(earlier: Realisation | undefined, later: Realisation): Realisation {
  if (!earlier?.path.equals(later.path)) return later;
  const signatures = new Map(
    [...earlier.signatures, ...later.signatures].map((signature) => [printSignature(signature), signature]),
  );
  return { ...later, signatures: [...signatures.values()] };
}
