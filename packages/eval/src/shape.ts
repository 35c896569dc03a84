/*
Shapes: the names of an attribute set, apart from its values. Sets made by the same literal, by mapAttrs from one
another, or by the same `//` share a shape, so that a place in the code can remember (shape, index) and `//` can remember how two
shapes merge. Names are sorted bytewise and, where they come from code, interned: listing them is free, merging is linear.
*/

/** Below this many names a linear scan is quicker than a map. */
const SCAN_MAX = 8;
/** How many lookups by bisection a bigger shape gets before a map is worth making: one for so many names. */
const NAMES_PER_BISECTION = 16;
/** How many plans a shape remembers. One that meets many others would keep all of them alive. */
const PLANS_MAX = 16;
/** Shapes up to this size are shared when builtins make the same one again, */
const SHARED_NAMES_MAX = 64;
/** as long as the table holds no more hashes than this; then it starts afresh. */
const SHARED_MAX = 8192;

let shared = new Map<number, Shape>();

/** How `left // right` is put together: `from[i] >= 0` takes right's value, otherwise left's at `~from[i]`. */
export type MergePlan = { readonly shape: Shape; readonly from: readonly number[] };

export class Shape {
  /** Sorted bytewise, no duplicates. */
  readonly names: readonly string[];
  /** Global position of each definition (0: unknown), or null when none is known. */
  readonly positions: readonly number[] | null;
  #index: Map<string, number> | null = null;
  #lookups = 0;
  #merges: Map<Shape, MergePlan> | null = null;
  #firstRight: Shape | null = null;
  #firstPlan: MergePlan | null = null;
  #bare: Shape | null = null;
  #lastLeft: Shape | null = null;
  #lastPlan: MergePlan | null = null;

  constructor(names: readonly string[], positions: readonly number[] | null) {
    this.names = names;
    this.positions = positions;
  }

  static readonly EMPTY = new Shape([], null);

  /**
   * The shape of these names (sorted; both arrays are taken over): the one made before when there is one. For sets that are computed, so
   * that they remember how they merge as literals do.
   */
  static of(names: readonly string[], positions: readonly number[] | null): Shape {
    const length = names.length;
    if (length > SHARED_NAMES_MAX) return new Shape(names, positions);
    if (length === 0) return Shape.EMPTY;
    let hash = length;
    for (let i = 0; i < length; i++) {
      const name = names[i];
      hash =
        (Math.imul(hash, 31) + name.length + (name.charCodeAt(0) << 5) + (name.charCodeAt(name.length - 1) << 10)) | 0;
      if (positions !== null) hash = (Math.imul(hash, 31) + positions[i]) | 0;
    }
    const known = shared.get(hash);
    if (known !== undefined && sameItems(known.names, names) && samePositions(known.positions, positions)) return known;
    if (shared.size >= SHARED_MAX) shared = new Map();
    const made = new Shape(names, positions);
    shared.set(hash, made);
    return made;
  }

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
    if (this.#firstRight === right) return this.#firstPlan as MergePlan;
    const known = this.#merges?.get(right);
    if (known !== undefined) return known;
    const plan = planMerge(this, right);
    if (this.#firstRight === null) {
      this.#firstRight = right;
      this.#firstPlan = plan;
      return plan;
    }
    this.#merges ??= new Map();
    if (this.#merges.size >= PLANS_MAX) this.#merges.clear();
    this.#merges.set(right, plan);
    return plan;
  }

  /**
   * The plan for `left // this`, for sets of any size. Only the last one is remembered, so that big plans are not kept for sets that never meet
   * again; the stages of nixpkgs, made by the same code, meet in the same order.
   */
  planOver(left: Shape): MergePlan {
    if (this.#lastPlan !== null && this.#lastLeft === left) return this.#lastPlan;
    const plan = planMerge(left, this);
    this.#lastLeft = left;
    this.#lastPlan = plan;
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

function planMerge(left: Shape, right: Shape): MergePlan {
  const a = left.names;
  const b = right.names;
  const aLength = a.length;
  const bLength = b.length;
  if (aLength === 0) return { shape: right, from: upTo(bLength) };
  const names: string[] = [];
  const from: number[] = [];
  let i = 0;
  let j = 0;
  while (i < aLength && j < bLength) {
    const ours = a[i];
    const theirs = b[j];
    if (ours === theirs) {
      names.push(theirs);
      from.push(j++);
      i++;
    } else if (ours < theirs) {
      names.push(ours);
      from.push(~i++);
    } else {
      names.push(theirs);
      from.push(j++);
    }
  }
  for (; i < aLength; i++) {
    names.push(a[i]);
    from.push(~i);
  }
  for (; j < bLength; j++) {
    names.push(b[j]);
    from.push(j);
  }
  return { shape: Shape.of(names, mergedPositions(left.positions, right.positions, from)), from };
}

function mergedPositions(
  left: readonly number[] | null,
  right: readonly number[] | null,
  from: readonly number[],
): number[] | null {
  if (left === null && right === null) return null;
  const positions: number[] = [];
  for (let n = 0; n < from.length; n++) {
    const at = from[n];
    positions.push(at >= 0 ? (right === null ? 0 : right[at]) : left === null ? 0 : left[~at]);
  }
  return positions;
}

function upTo(length: number): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < length; i++) numbers.push(i);
  return numbers;
}

function sameItems(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function samePositions(a: readonly number[] | null, b: readonly number[] | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
