/*
Why two values are not equal: what the message of a failed `assert a == b` says. The rules are those of compare.ts; here they are walked
once more, slowly, by who knows already that the answer is no. Follows `EvalState::assertEqValues` of C++ Nix.
*/

import { Attrs } from "./attrs.ts";
import { equalValues, isDerivation } from "./compare.ts";
import { EvalError } from "./error.ts";
import { force } from "./machine.ts";
import { showValue } from "./show-value.ts";
import { describeType, typeOf } from "./type-name.ts";
import { type Lazy, PathValue, StringWithContext, type Value } from "./value.ts";

/** The first difference, as the error of an assertion whose frames lead there; undefined when there is none. */
export function findDifference(a: Value, b: Value): EvalError | undefined {
  if (equalValues(a, b)) return undefined;
  const types = [typeOf(a), typeOf(b)];
  const areNumbers = types.every((type) => type === "int" || type === "float");
  if (areNumbers)
    return unequal(
      `${describeType(a)} with value '${showValue(a)}'`,
      `${describeType(b)} with value '${showValue(b)}'`,
    );
  if (types[0] !== types[1])
    return unequal(`${describeType(a)} of value '${showValue(a)}'`, `${describeType(b)} of value '${showValue(b)}'`);
  if (a instanceof Attrs && b instanceof Attrs) return findInSets(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return findInLists(a, b);
  if (types[0] === "lambda")
    return new EvalError(
      "assert",
      "distinct functions and immediate comparisons of identical functions compare as unequal",
    );
  const kind = a instanceof PathValue ? "path" : isText(a) ? "string" : "boolean";
  return unequal(`${kind} '${showValue(a)}'`, `${kind} '${showValue(b)}'`);
}

function isText(value: Value): boolean {
  return typeof value === "string" || value instanceof StringWithContext;
}

function unequal(left: string, right: string): EvalError {
  return new EvalError("assert", `${left} is not equal to ${right}`);
}

/** In lists and sets the same object counts as equal. */
function findInside(a: Lazy, b: Lazy): EvalError | undefined {
  if (a === b) return undefined;
  const left = force(a);
  const right = force(b);
  return left === right ? undefined : findDifference(left, right);
}

function findInLists(a: readonly Lazy[], b: readonly Lazy[]): EvalError | undefined {
  if (a.length !== b.length) {
    const sizes = `list of size '${a.length}' is not equal to list of size '${b.length}'`;
    const sides = `left hand side is '${showValue(a as Lazy[])}', right hand side is '${showValue(b as Lazy[])}'`;
    return new EvalError("assert", `${sizes}, ${sides}`);
  }
  for (let i = 0; i < a.length; i++) {
    const difference = findInside(a[i], b[i]);
    if (difference !== undefined) return difference.within(`while comparing list element ${i}`);
  }
  return undefined;
}

function findInSets(a: Attrs, b: Attrs): EvalError | undefined {
  const left = `'${showValue(a)}'`;
  const right = `'${showValue(b)}'`;
  const [outA, outB] = [a.get("outPath"), b.get("outPath")];
  if (outA !== undefined && outB !== undefined && isDerivation(a) && isDerivation(b))
    return findInside(outA, outB)?.within("while comparing a derivation by its 'outPath' attribute");
  if (a.size !== b.size)
    return new EvalError("assert", `attribute names of attribute set ${left} differs from attribute set ${right}`);
  for (let i = 0; i < a.names.length; i++) {
    const [name, other] = [a.names[i], b.names[i]];
    if (!b.has(name))
      return new EvalError("assert", `attribute name '${name}' is contained in ${left}, but not in ${right}`);
    if (!a.has(other))
      return new EvalError("assert", `attribute name '${other}' is missing in ${left}, but is contained in ${right}`);
    const difference = findInside(a.get(name) as Lazy, b.get(name) as Lazy);
    if (difference === undefined) continue;
    const [leftPos, rightPos] = [a.positionOf(name), b.positionOf(name)];
    if (rightPos !== 0) difference.addTrace("where right hand side is", rightPos);
    if (leftPos !== 0) difference.addTrace("where left hand side is", leftPos);
    return difference.within(`while comparing attribute '${name}'`);
  }
  return undefined;
}
