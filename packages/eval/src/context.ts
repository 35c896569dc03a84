/*
String contexts: the store objects a string depends on. A context is an immutable, sorted, interned set, so that equal ones are the same
object and uniting two of them again and again is a map lookup.

Elements are byte strings in C++ Nix's encoding: `/nix/store/…` (the path itself), `=/nix/store/….drv` (a derivation with its whole
closure), `!out!/nix/store/….drv` (an output of a derivation), `!out!dev!/nix/store/….drv` (an output of the derivation that the output
`dev` of another one is).
*/

import type { ByteString } from "@firn/base";

export class StringContext {
  /** Sorted bytewise, no duplicates, never empty. */
  readonly elements: readonly ByteString[];
  readonly #unions = new Map<StringContext, StringContext>();

  private constructor(elements: readonly ByteString[]) {
    this.elements = elements;
  }

  static readonly #interned = new Map<string, StringContext>();

  /** The context of these elements, in any order and with duplicates; undefined when there are none. */
  static of(elements: Iterable<ByteString>): StringContext | undefined {
    const sorted = [...new Set(elements)].sort();
    return sorted.length === 0 ? undefined : StringContext.#intern(sorted);
  }

  static #intern(sorted: readonly ByteString[]): StringContext {
    const key = sorted.length === 1 ? sorted[0] : sorted.join("\0");
    let context = StringContext.#interned.get(key);
    if (context === undefined) {
      context = new StringContext(sorted);
      StringContext.#interned.set(key, context);
    }
    return context;
  }

  /** Both together. */
  union(other: StringContext): StringContext {
    if (other === this) return this;
    const known = this.#unions.get(other);
    if (known !== undefined) return known;
    const both = StringContext.#intern([...new Set([...this.elements, ...other.elements])].sort());
    this.#unions.set(other, both);
    return both;
  }
}

/** The union of two contexts either of which may be absent. */
export function uniteContexts(a: StringContext | undefined, b: StringContext | undefined): StringContext | undefined {
  return a === undefined ? b : b === undefined || a === b ? a : a.union(b);
}

/** A context element taken apart. */
export type ContextElement =
  | { readonly kind: "path"; readonly path: ByteString }
  | { readonly kind: "closure"; readonly drvPath: ByteString }
  /** `drvPath` begins with a slash, except for outputs of derivations that are outputs: `<output>!<drvPath>`. */
  | { readonly kind: "output"; readonly output: ByteString; readonly drvPath: ByteString };

/** An element for people: `/nix/store/….drv^out`, `/nix/store/….drv (deep)`, or the path. */
export function displayContextElement(element: ByteString): ByteString {
  if (element.startsWith("=")) return `${element.slice(1)} (deep)`;
  return element.startsWith("!") ? element.slice(1).split("!").reverse().join("^") : element;
}

/** Takes an element apart. */
export function parseContextElement(element: ByteString): ContextElement {
  if (element.startsWith("=")) return { kind: "closure", drvPath: element.slice(1) };
  if (element.startsWith("!")) {
    const end = element.indexOf("!", 1);
    return { kind: "output", output: element.slice(1, end), drvPath: element.slice(end + 1) };
  }
  return { kind: "path", path: element };
}
