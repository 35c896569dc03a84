/*
The derivations in a value, as nix-instantiate and nix-build look for them: the value itself, or those in a set or list; sets inside are
entered only when they say `recurseForDerivations = true`. Follows `getDerivations` of C++ Nix.
*/

import {
  Attrs,
  type Evaluator,
  EvalError,
  force,
  forceAttrs,
  forceList,
  forceText,
  forceTextWithoutContext,
  type Lazy,
  StringWithContext,
  type Value,
} from "@firn/eval";
import type { EvaluatedDerivation } from "./job.ts";

/** All of them, each .drv path and output once; `onFound` hears of each when it is found. Within `run`. */
export function findDerivations(
  evaluator: Evaluator,
  value: Value,
  attrPath: string,
  args: Attrs,
  onFound?: (derivation: EvaluatedDerivation) => void,
): EvaluatedDerivation[] {
  const found: EvaluatedDerivation[] = [];
  const seen = new Set<object>();
  const visit = (lazy: Lazy, path: string, top: boolean): void => {
    const at = evaluator.autoCall(force(lazy), args);
    if (at instanceof Attrs) {
      if (seen.has(at)) return;
      seen.add(at);
      if (isDerivation(at)) {
        const derivation = describe(at, path);
        found.push(derivation);
        onFound?.(derivation);
        return;
      }
      if (!top && !recurses(at)) return;
      for (const name of at.names) visit(at.get(name) as Lazy, path === "" ? name : `${path}.${name}`, false);
    } else if (Array.isArray(at)) {
      at.forEach((item, index) => {
        visit(item, path === "" ? String(index) : `${path}.${index}`, false);
      });
    } else if (top)
      throw new EvalError("type", "expression does not evaluate to a derivation (or a set or list of those)");
  };
  visit(value, attrPath, true);
  return found;
}

function isDerivation(attrs: Attrs): boolean {
  const type = attrs.get("type");
  if (type === undefined) return false;
  const forced = force(type);
  return forced === "derivation" || (forced instanceof StringWithContext && forced.text === "derivation");
}

function recurses(attrs: Attrs): boolean {
  const flag = attrs.get("recurseForDerivations");
  return flag !== undefined && force(flag) === true;
}

function describe(drv: Attrs, attrPath: string): EvaluatedDerivation {
  const required = (attrs: Attrs, name: string): Lazy => {
    const value = attrs.get(name);
    if (value === undefined)
      throw new EvalError("missing-attribute", `the derivation '${attrPath}' has no attribute '${name}'`);
    return value;
  };
  const drvPath = forceText(required(drv, "drvPath"));
  const outputsAttr = drv.get("outputs");
  const outputs: { name: string; path: string }[] = [];
  if (outputsAttr === undefined) outputs.push({ name: "out", path: forceText(required(drv, "outPath")) });
  else {
    for (const name of forceList(outputsAttr).map((output) => forceTextWithoutContext(output))) {
      const output = drv.get(name);
      // An output without a path of its own is passed over, as `PackageInfo::queryOutputs` does.
      const path = output === undefined ? undefined : forceAttrs(output).get("outPath");
      if (path !== undefined) outputs.push({ name, path: forceText(path) });
    }
  }
  const outputName = drv.get("outputName");
  return {
    attrPath,
    name: forceText(required(drv, "name")),
    drvPath,
    outputs,
    outputName: outputName === undefined ? "out" : forceText(outputName),
  };
}
