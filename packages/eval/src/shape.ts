/*
Shapes: the names of an attribute set, apart from its values. Sets made by the same literal, by mapAttrs from one
another, or by the same `//` share a shape, so that a place in the code can remember (shape, index) and `//` can remember how two
shapes merge. Names are interned and sorted bytewise: listing them is free, merging is linear.
*/

/** Below this many names a linear scan is quicker than a map. */
const SCAN_MAX = 8;
/** How many lookups by bisection a bigger shape gets before a map is worth making: one for so many names. */
const NAMES_PER_BISECTION = 16;
/** How many plans a shape remembers. One that meets many others would keep all of them alive. */
const PLANS_MAX = 16;

/** How `left // right` is put together: `from[i] >= 0` takes right's value, otherwise left's at `~from[i]`. */
export type MergePlan = { readonly shape: Shape; readonly from: Int32Array };

export class Shape {
  /** Sorted bytewise, interned, no duplicates. */
  readonly names: readonly string[];
  /** Global position of each definition (0: unknown), or null when none is known. */
  readonly positions: readonly number[] | null;
  #index: Map<string, number> | null = null;
  #lookups = 0;
  #merges: Map<Shape, MergePlan> | null = null;
  #bare: Shape | null = null;

  constructor(names: readonly string[], positions: readonly number[] | null) {
    this.names = names;
    this.positions = positions;
  }

  static readonly EMPTY = new Shape([], null);

  /** The index of an interned or any other name, or -1. */
  indexOf(name: string): number {
    const names = this.names;
    const length = names.length;
    if (length <= SCAN_MAX) {
      for (let i = 0; i < length; i++) if (names[i] === name) return i;
      return -1;
    }
    if (this.#index !== null) {
      const at = this.#index.get(name);
      return at === undefined ? -1 : at;
    }
    if (this.#lookups++ * NAMES_PER_BISECTION < length) return bisect(names, name);
    const index = new Map<string, number>();
    for (let i = 0; i < length; i++) index.set(names[i], i);
    this.#index = index;
    return index.get(name) ?? -1;
  }

  /** The plan for `this // right`, remembered for a while. */
  mergePlan(right: Shape): MergePlan {
    this.#merges ??= new Map();
    const known = this.#merges.get(right);
    if (known !== undefined) return known;
    if (this.#merges.size >= PLANS_MAX) this.#merges.clear();
    const plan = planMerge(this, right);
    this.#merges.set(right, plan);
    return plan;
  }

  /** The same names without positions, as mapAttrs gives them. */
  withoutPositions(): Shape {
    if (this.positions === null) return this;
    this.#bare ??= new Shape(this.names, null);
    return this.#bare;
  }
}

function bisect(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const there = names[middle];
    if (there === name) return middle;
    if (there < name) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** A plan nobody remembers: for big sets, which rarely meet twice. */
export function planMerge(left: Shape, right: Shape): MergePlan {
  const a = left.names;
  const b = right.names;
  const names: string[] = [];
  const positions: number[] | null = left.positions === null && right.positions === null ? null : [];
  const from = new Int32Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let n = 0;
  while (i < a.length || j < b.length) {
    // Take the right one when it is next or the same; the left one is then stepped over.
    if (j < b.length && (i >= a.length || b[j] <= a[i])) {
      if (i < a.length && b[j] === a[i]) i++;
      names.push(b[j]);
      positions?.push(right.positions === null ? 0 : right.positions[j]);
      from[n++] = j++;
    } else {
      names.push(a[i]);
      positions?.push(left.positions === null ? 0 : left.positions[i]);
      from[n++] = ~i++;
    }
  }
  const shape =
    n === a.length && j === 0 ? left : n === b.length && a.length === 0 ? right : new Shape(names, positions);
  return { shape, from: from.subarray(0, n) };
}
