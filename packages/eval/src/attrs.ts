/*
Attribute sets: a shape and the values in its order. A big set that a small one is laid over (`big // small`) keeps the big one as `base`
instead of copying it. Layers grow geometrically towards the base, like the runs of a merge tree, so that adding n names one by one costs
n log n, and a lookup passes few layers. Whoever needs all names flattens the set in place; nobody can tell the difference.
*/

import { Shape } from "./shape.ts";
import type { Lazy } from "./value.ts";

/** Sets up to this size are merged by copying, with a remembered plan. */
const COPY_MAX = 48;

export class Attrs {
  /** Own names and values; what `base` has under the same name is hidden. Not to be changed from outside this file. */
  shape: Shape;
  values: Lazy[];
  base: Attrs | null;

  constructor(shape: Shape, values: Lazy[], base: Attrs | null = null) {
    this.shape = shape;
    this.values = values;
    this.base = base;
  }

  static readonly EMPTY = new Attrs(Shape.EMPTY, []);

  /** The value under `name`, unforced, or undefined. */
  get(name: string): Lazy | undefined {
    let layer: Attrs | null = this;
    do {
      const at = layer.shape.indexOf(name);
      if (at >= 0) return layer.values[at];
      layer = layer.base;
    } while (layer !== null);
    return undefined;
  }

  has(name: string): boolean {
    let layer: Attrs | null = this;
    do {
      if (layer.shape.indexOf(name) >= 0) return true;
      layer = layer.base;
    } while (layer !== null);
    return false;
  }

  /** The global position of the definition of `name`, or 0. */
  positionOf(name: string): number {
    let layer: Attrs | null = this;
    do {
      const at = layer.shape.indexOf(name);
      if (at >= 0) return layer.shape.positions === null ? 0 : layer.shape.positions[at];
      layer = layer.base;
    } while (layer !== null);
    return 0;
  }

  /** This set with all layers merged into one: `shape` and `values` are then everything. */
  flat(): this {
    if (this.base === null) return this;
    const layers: Attrs[] = [];
    for (let layer: Attrs | null = this; layer !== null; layer = layer.base) layers.push(layer);
    // From the top down: the upper layers are the small ones.
    let shape = this.shape;
    let values = this.values;
    for (let i = 1; i < layers.length; i++) {
      const below = layers[i];
      const plan = shape.planOver(below.shape);
      values = take(plan.from, below.values, values);
      shape = plan.shape;
    }
    this.shape = shape;
    this.values = values;
    this.base = null;
    return this;
  }

  /** Number of names. */
  get size(): number {
    return this.flat().shape.names.length;
  }

  /** Sorted bytewise. */
  get names(): readonly string[] {
    return this.flat().shape.names;
  }

  /** A set of these entries; of two with one name the first wins, as in listToAttrs. */
  static fromEntries(entries: readonly (readonly [string, Lazy])[]): Attrs {
    return Attrs.fromColumns(
      entries.map(([name]) => name),
      entries.map(([, value]) => value),
    );
  }

  /** A set of a map's entries; values are taken over, the map is not kept. */
  static fromMap(map: ReadonlyMap<string, Lazy>): Attrs {
    return Attrs.fromColumns([...map.keys()], [...map.values()]);
  }

  /** A set of names and the values beside them, both taken over; of two with one name the first wins. */
  static fromColumns(names: string[], values: Lazy[]): Attrs {
    if (names.length === 0) return Attrs.EMPTY;
    if (isAscending(names)) return new Attrs(Shape.of(names, null), values);
    const order = names.map((_, i) => i).sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b));
    const sortedNames: string[] = [];
    const sortedValues: Lazy[] = [];
    for (let n = 0; n < order.length; n++) {
      const at = order[n];
      if (n > 0 && names[at] === names[order[n - 1]]) continue;
      sortedNames.push(names[at]);
      sortedValues.push(values[at]);
    }
    return new Attrs(Shape.of(sortedNames, null), sortedValues);
  }

  /** The entries whose index is in `keep` (ascending) of a flat set. */
  static select(from: Attrs, keep: readonly number[]): Attrs {
    const { names, positions } = from.shape;
    if (keep.length === names.length) return from;
    const kept: string[] = new Array(keep.length);
    const values: Lazy[] = new Array(keep.length);
    const pos: number[] | null = positions === null ? null : new Array(keep.length);
    for (let i = 0; i < keep.length; i++) {
      const at = keep[i];
      kept[i] = names[at];
      values[i] = from.values[at];
      if (pos !== null && positions !== null) pos[i] = positions[at];
    }
    return new Attrs(Shape.of(kept, pos), values);
  }
}

function isAscending(names: readonly string[]): boolean {
  for (let i = 1; i < names.length; i++) if (names[i - 1] >= names[i]) return false;
  return true;
}

/** Byte order of byte strings, for sort(). */
export function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function take(from: readonly number[], left: readonly Lazy[], right: readonly Lazy[]): Lazy[] {
  const values: Lazy[] = new Array(from.length);
  for (let i = 0; i < from.length; i++) {
    const at = from[i];
    values[i] = at >= 0 ? right[at] : left[~at];
  }
  return values;
}

/** `left // right`. */
export function update(left: Attrs, right: Attrs): Attrs {
  if (right.base === null && right.shape.names.length === 0) return left;
  if (left.base === null && left.shape.names.length === 0) return right;
  if (right.base !== null) right.flat();
  const leftOwn = left.shape.names.length;
  const rightOwn = right.shape.names.length;
  if (left.base === null && leftOwn + rightOwn <= COPY_MAX) {
    const plan = left.shape.mergePlan(right.shape);
    return new Attrs(plan.shape, take(plan.from, left.values, right.values));
  }
  // Swallow layers that are not at least twice as big as what lies above them.
  let shape = right.shape;
  let values = right.values;
  let below: Attrs | null = left;
  while (below !== null && below.shape.names.length <= 2 * shape.names.length) {
    const plan = shape.planOver(below.shape);
    values = take(plan.from, below.values, values);
    shape = plan.shape;
    below = below.base;
  }
  return new Attrs(shape, values, below);
}
