/*
What a derivation needs of derivations that are outputs themselves (`drv^out^out`): these are known one after another, each when the one before it
was built and read. Follows DerivationTrampolineGoal of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import type { Derivation, DynamicInputs } from "@firn/nix-compat";
import type { BuildTarget } from "./build-plan.ts";
import type { OutputLookup } from "./resolve-derivation.ts";

/** What has to be built next, of derivations that are known by now; empty when all there is to need is known. The plain inputs must be. */
export function nextTargets(drv: Derivation, pathOf: OutputLookup): BuildTarget[] {
  const targets: BuildTarget[] = [];
  const visit = (drvPath: ByteString, dynamic: DynamicInputs) => {
    for (const [output, wanted] of dynamic) {
      const inner = pathOf(drvPath, output);
      if (inner === undefined) continue; // asked for on the level above
      const names = [...new Set([...wanted.outputs, ...(wanted.dynamic?.keys() ?? [])])];
      const missing = names.filter((name) => pathOf(inner, name) === undefined);
      if (missing.length > 0) targets.push({ drvPath: inner, outputs: missing });
      if (wanted.dynamic !== undefined) visit(inner, wanted.dynamic);
    }
  };
  for (const [drvPath, dynamic] of drv.dynamicInputs ?? []) visit(drvPath, dynamic);
  return targets;
}
