/*
Values inside messages: like printed ones, but cut short where they are big, and with functions named by where they are. Nothing is forced.
Follows the Printer of C++ Nix with its options for errors and for traces.
*/

import { type ByteString, byteStringOfText } from "@firn/base";
import { Attrs } from "./attrs.ts";
import { formatFloatShown } from "./float.ts";
import { currentPositions } from "./world.ts";
import { quoteString, showName } from "./quote.ts";
import {
  Builtin,
  Closure,
  type Lazy,
  NixFloat,
  PartialApplication,
  PathValue,
  StringWithContext,
  Thunk,
} from "./value.ts";

export type ShowLimits = { readonly depth: number; readonly items: number; readonly bytes: number };

const IN_ERRORS: ShowLimits = { depth: 10, items: 10, bytes: 1024 };
/** For `builtins.trace`, which shows all of it. */
export const UNLIMITED: ShowLimits = {
  depth: Number.MAX_SAFE_INTEGER,
  items: Number.MAX_SAFE_INTEGER,
  bytes: Number.MAX_SAFE_INTEGER,
};

/** A value as a message shows it. The result is a byte string. */
export function showValue(value: Lazy, limits = IN_ERRORS): ByteString {
  const shower = new Shower(limits);
  shower.show(value, 0);
  return shower.parts.join("");
}

class Shower {
  readonly parts: ByteString[] = [];
  readonly #limits: ShowLimits;
  readonly #seen = new Set<object>();
  // Both count over the whole value.
  #attributes = 0;
  #items = 0;

  constructor(limits: ShowLimits) {
    this.#limits = limits;
  }

  show(lazy: Lazy, depth: number): void {
    const { parts } = this;
    if (lazy instanceof Thunk && lazy.code !== null) return void parts.push(lazy.env === null ? RECURSION : THUNK);
    const value = lazy instanceof Thunk ? lazy.env : lazy;
    if (typeof value === "string") this.#string(value);
    else if (value instanceof StringWithContext) this.#string(value.text);
    else if (value instanceof Attrs) this.#attrs(value, depth);
    else if (Array.isArray(value)) this.#list(value, depth);
    else if (value instanceof PathValue) parts.push(value.tree.label + value.path);
    else if (value instanceof NixFloat) parts.push(formatFloatShown(value.value));
    else if (value instanceof Closure) this.#closure(value, 0);
    else if (value instanceof Builtin) parts.push(mark(`primop ${value.name}`));
    else if (value instanceof PartialApplication) {
      if (value.fn instanceof Builtin) parts.push(mark(`partially applied primop ${value.fn.name}`));
      else this.#closure(value.fn, value.args.length);
    } else parts.push(String(value));
  }

  #string(text: ByteString): void {
    const { bytes } = this.#limits;
    if (text.length <= bytes) return void this.parts.push(quoteString(text));
    this.parts.push(quoteString(text.slice(0, bytes)), " ", elided(text.length - bytes, "byte", "bytes"));
  }

  #closure({ code }: Closure, given: number): void {
    const name = code.name === "" ? "" : ` ${code.name}`;
    const where = currentPositions().describe(code.positionOf(given));
    this.parts.push(OPEN, `lambda${name} @ ${where}`, CLOSE);
  }

  #attrs(value: Attrs, depth: number): void {
    const { shape, values } = value.flat();
    if (this.#seen.has(value)) return void this.parts.push(REPEATED);
    this.#seen.add(value);
    if (depth >= this.#limits.depth) return void this.parts.push("{ ... }");
    const order = shape.names.map((_, i) => i);
    // What a set says of its type is not to fall to the limit.
    if (this.#limits !== UNLIMITED) {
      const isImportant = (i: number) => shape.names[i] === "type" || shape.names[i] === "_type";
      order.sort((a, b) => Number(isImportant(b)) - Number(isImportant(a)) || a - b);
    }
    this.parts.push("{");
    for (let n = 0; n < order.length; n++) {
      if (this.#attributes >= this.#limits.items) {
        this.parts.push(" ", elided(order.length - n, "attribute", "attributes"));
        break;
      }
      this.parts.push(" ", showName(shape.names[order[n]]), " = ");
      this.show(values[order[n]], depth + 1);
      this.parts.push(";");
      this.#attributes++;
    }
    this.parts.push(" }");
  }

  #list(items: readonly Lazy[], depth: number): void {
    if (items.length > 0) {
      if (this.#seen.has(items)) return void this.parts.push(REPEATED);
      this.#seen.add(items);
    }
    if (depth >= this.#limits.depth) return void this.parts.push("[ ... ]");
    this.parts.push("[");
    for (let n = 0; n < items.length; n++) {
      if (this.#items >= this.#limits.items) {
        this.parts.push(" ", elided(items.length - n, "item", "items"));
        break;
      }
      this.parts.push(" ");
      this.show(items[n], depth + 1);
      this.#items++;
    }
    this.parts.push(" ]");
  }
}

const OPEN = byteStringOfText("«");
const CLOSE = byteStringOfText("»");
const THUNK = mark("thunk");
const RECURSION = mark("potential infinite recursion");
const REPEATED = mark("repeated");

function mark(text: ByteString): ByteString {
  return OPEN + text + CLOSE;
}

function elided(count: number, one: string, many: string): ByteString {
  return mark(`${count} ${count === 1 ? one : many} elided`);
}
