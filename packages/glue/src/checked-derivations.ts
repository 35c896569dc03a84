/*
Derivations whose output paths are those that follow from them, for who builds what others ask for. A .drv file follows from its contents and so needs nobody's
signature, and it could claim any path: what was built would be found there by everybody. Follows Derivation::checkInvariants of C++ Nix, which checks what is
registered; this checks what is read to be built, and so what came by other ways, too.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import {
  type Derivation,
  type DerivationModulo,
  derivationKind,
  hashDerivationModulo,
  hashMaskedDerivationModulo,
  makeOutputPath,
} from "@firn/nix-compat";
import type { ReadDerivation } from "./build-plan.ts";
import { GlueError } from "./error.ts";

/** Derivations that are remembered to be right; with more it begins anew. */
const KNOWN_MAX = 100_000;

type Known = Map<ByteString, DerivationModulo>;

/** Reads as `read` does, and throws `invalid-derivation` where that derivation, or one that it needs, claims a path that is not its own. Fixed outputs are checked when they are registered. */
export function checkedDerivationReader(read: ReadDerivation, storeDir: string): ReadDerivation {
  let known: Known = new Map();
  return async (drvPath, options) => {
    if (known.size >= KNOWN_MAX) known = new Map();
    return await readChecked(drvPath, read, storeDir, known, new Set(), options);
  };
}

async function readChecked(
  drvPath: ByteString,
  read: ReadDerivation,
  storeDir: string,
  known: Known,
  above: Set<ByteString>,
  options: CallOptions,
): Promise<Derivation> {
  const derivation = await read(drvPath, options);
  if (known.has(drvPath)) return derivation;
  if (above.has(drvPath)) throw invalid(`derivation '${drvPath}' needs itself`);
  above.add(drvPath);
  for (const input of derivation.inputDrvs.keys())
    if (!known.has(input)) await readChecked(input, read, storeDir, known, above, options);
  above.delete(drvPath);
  const lookup = (input: ByteString) => known.get(input) as DerivationModulo;
  if (derivationKind(derivation) === "input-addressed") {
    const { hex, deferred } = hashMaskedDerivationModulo(derivation, lookup);
    // Deferred: an input's paths are known only after a build, so nothing can be claimed before.
    for (const [name, output] of derivation.outputs) {
      const expected = deferred ? "" : makeOutputPath(name, hex, derivation.name, storeDir).absolute(storeDir);
      if (output.path !== expected) throw incorrectOutput(drvPath, output.path, expected);
    }
  }
  known.set(drvPath, hashDerivationModulo(derivation, lookup));
  return derivation;
}

/** What is thrown where an output is claimed to be where it is not. */
export function incorrectOutput(drvPath: ByteString, path: ByteString, expected: ByteString): GlueError {
  return invalid(`derivation '${drvPath}' has incorrect output '${path}', should be '${expected}'`);
}

function invalid(message: string): GlueError {
  return new GlueError("invalid-derivation", message);
}
