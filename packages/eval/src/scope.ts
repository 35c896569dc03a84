/*
Static scopes: which frame and slot a name stands for, known before anything runs. They mirror the frames of the machine one to one, so
that a name resolves to "slot s of the frame d steps out".
*/

export type Resolution =
  | { readonly kind: "slot"; readonly depth: number; readonly slot: number }
  /** Only `with` can give it: frames to ask, innermost first. */
  | {
      readonly kind: "with";
      readonly depths: readonly number[] /** Of each `with`. */;
      readonly positions: readonly number[];
    }
  | { readonly kind: "global" }
  | { readonly kind: "unknown" };

export class Scope {
  readonly up: Scope | null;
  /** Slot by name; null for the frame of a `with`. */
  readonly slots: ReadonlyMap<string, number> | null;

  /** Where in its source a `with` begins. */
  readonly from: number;

  constructor(up: Scope | null, slots: ReadonlyMap<string, number> | null, from = 0) {
    this.up = up;
    this.from = from;
    this.slots = slots;
  }
}

/** Finds `name` from `scope` outwards. Names of frames win over globals, and both over any `with`, as in Nix. `skipped` frames lie inside `scope`. */
export function resolve(
  name: string,
  scope: Scope | null,
  isGlobal: (name: string) => boolean,
  skipped = 0,
): Resolution {
  let depth = skipped;
  let depths: number[] | undefined;
  const positions: number[] = [];
  for (let at = scope; at !== null; at = at.up, depth++) {
    if (at.slots === null) {
      depths ??= [];
      depths.push(depth);
      positions.push(at.from);
      continue;
    }
    const slot = at.slots.get(name);
    if (slot !== undefined) return { kind: "slot", depth, slot };
  }
  if (isGlobal(name)) return { kind: "global" };
  return depths === undefined ? { kind: "unknown" } : { kind: "with", depths, positions };
}
