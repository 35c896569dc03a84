/* Calls of builtins: those whose result is of the wanted kind, with arguments of the kinds they take. */

import type { Builder, Scope } from "./builder.ts";
import { type Bindings, fits, type Kind, kindOf, substitute } from "./kind.ts";
import { SIGNATURES, type Signature } from "./signatures.ts";
import { leaf, type Term } from "./term.ts";

/** Those that have a name without `builtins.`. */
const GLOBALS = new Set(
  "abort baseNameOf derivation derivationStrict dirOf false fromTOML import isNull map null placeholder removeAttrs scopedImport throw toString true".split(
    " ",
  ),
);

const NESTED = kindOf("[[int]]");

/** A call that gives this kind; undefined when there is none. */
export function callRule(builder: Builder, kind: Kind, scope: Scope, depth: number): Term | undefined {
  const fitting = SIGNATURES.filter((signature) => fits(signature.result, kind, new Map()));
  const special = fitting.filter(({ result }) => result.is !== "variable");
  const signature = special.length > 0 && !builder.oneIn(4) ? builder.pick(special) : builder.pick(fitting);
  return signature === undefined ? undefined : callOf(builder, signature, kind, scope, depth);
}

/** A call of this builtin. */
export function callOf(builder: Builder, signature: Signature, kind: Kind, scope: Scope, depth: number): Term {
  const bindings: Bindings = new Map();
  fits(signature.result, kind, bindings);
  // A builtin that throws is tried less: most of what surrounds it would go unseen.
  if (
    /\.(?:throw|abort|import|scopedImport|readFile|readDir|hashFile|path|filterSource|findFile|storePath)$/.test(
      signature.call,
    ) &&
    !builder.oneIn(12)
  ) {
    return builder.term(kind, scope, depth);
  }
  const args = signature.args.map((arg) => {
    const concrete = substitute(arg, bindings, () => (builder.oneIn(20) ? NESTED : builder.anyKind()));
    return builder.term(concrete, scope, depth);
  });
  const name = signature.call.slice("builtins.".length);
  const spelled = builder.oneIn(3) ? (GLOBALS.has(name) ? name : `__${name}`) : signature.call;
  return args.length === 0
    ? leaf(spelled)
    : { parts: [`${spelled} `, ...args.slice(1).map(() => " "), ""], kids: args, atom: false };
}
