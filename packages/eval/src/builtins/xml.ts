/*
Values as XML: the format of `builtins.toXML` and `nix-instantiate --xml`. A derivation is written in full where it is met first and as
`<repeated />` after that. Follows `printValueAsXML` of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { Attrs } from "../attrs.ts";
import { contextOfString, makeString, textOfString } from "../coerce.ts";
import { isDerivation } from "../compare.ts";
import { type StringContext, uniteContexts } from "../context.ts";
import { EvalError } from "../error.ts";
import { formatFloatShown } from "../float.ts";
import { force } from "../machine.ts";
import { currentPositions } from "../world.ts";
import { Closure, type Lazy, NixFloat, PartialApplication, PathValue, StringWithContext, Thunk } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";

/** Nesting beyond this is taken for endless, as calls are. */
const DEPTH_MAX = 10_000;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': "&quot;",
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  "\n": "&#xA;",
};

export type XmlOptions = {
  /** Whether thunks inside are forced; otherwise they are `<unevaluated />`. */
  readonly strict: boolean;
  /** Whether functions and attributes say where they are defined. */
  readonly location: boolean;
};

/** XML attributes by name. */
type XmlAttributes = Readonly<Record<string, ByteString>>;

/** The XML document of a value, and the contexts of all strings in it. */
export function valueToXml(
  value: Lazy,
  options: XmlOptions,
): { readonly text: ByteString; readonly context: StringContext | undefined } {
  const writer = new XmlWriter(options);
  writer.open("expr");
  writer.write(value);
  writer.close();
  return { text: writer.text, context: writer.context };
}

class XmlWriter {
  text = "<?xml version='1.0' encoding='utf-8'?>\n";
  context: StringContext | undefined;
  readonly #options: XmlOptions;
  readonly #opened: string[] = [];
  readonly #derivationsSeen = new Set<ByteString>();

  constructor(options: XmlOptions) {
    this.#options = options;
  }

  open(name: string, attributes: XmlAttributes = {}): void {
    if (this.#opened.length > DEPTH_MAX)
      throw new EvalError("stack-overflow", "stack overflow; max-call-depth exceeded");
    this.#line(`<${name}${showAttributes(attributes)}>`);
    this.#opened.push(name);
  }

  close(): void {
    const name = this.#opened.pop();
    this.#line(`</${name}>`);
  }

  #empty(name: string, attributes: XmlAttributes = {}): void {
    this.#line(`<${name}${showAttributes(attributes)} />`);
  }

  #line(tag: ByteString): void {
    this.text += `${"  ".repeat(this.#opened.length)}${tag}\n`;
  }

  write(lazy: Lazy): void {
    if (!this.#options.strict && lazy instanceof Thunk && lazy.code !== null) {
      this.#empty("unevaluated");
      return;
    }
    const value = force(lazy);
    if (typeof value === "number" || typeof value === "bigint") this.#empty("int", { value: String(value) });
    else if (typeof value === "boolean") this.#empty("bool", { value: String(value) });
    else if (typeof value === "string" || value instanceof StringWithContext) {
      this.context = uniteContexts(this.context, contextOfString(value));
      this.#empty("string", { value: textOfString(value) });
    } else if (value === null) this.#empty("null");
    else if (value instanceof PathValue) this.#empty("path", { value: value.tree.label + value.path });
    else if (value instanceof NixFloat) this.#empty("float", { value: formatFloatShown(value.value) });
    else if (Array.isArray(value)) {
      this.open("list");
      for (const item of value) this.write(item);
      this.close();
    } else if (value instanceof Attrs) this.#writeAttrs(value);
    else if (value instanceof Closure) this.#writeFunction(value, 0);
    else if (value instanceof PartialApplication && value.fn instanceof Closure)
      this.#writeFunction(value.fn, value.args.length);
    else this.#empty("unevaluated");
  }

  #writeAttrs(attrs: Attrs): void {
    if (!isDerivation(attrs)) {
      this.open("attrs");
      this.#writeEntries(attrs);
      this.close();
      return;
    }
    const drvPath = this.#stringIn(attrs, "drvPath");
    const outPath = this.#stringIn(attrs, "outPath");
    this.open("derivation", {
      ...(drvPath === undefined ? {} : { drvPath }),
      ...(outPath === undefined ? {} : { outPath }),
    });
    if (drvPath !== undefined && drvPath !== "" && !this.#derivationsSeen.has(drvPath)) {
      this.#derivationsSeen.add(drvPath);
      this.#writeEntries(attrs);
    } else this.#empty("repeated");
    this.close();
  }

  /** The text of an attribute that is a string by now, or that may be forced. */
  #stringIn(attrs: Attrs, name: string): ByteString | undefined {
    const lazy = attrs.get(name);
    if (lazy === undefined || (!this.#options.strict && lazy instanceof Thunk && lazy.code !== null)) return undefined;
    const value = force(lazy);
    return typeof value === "string" || value instanceof StringWithContext ? textOfString(value) : undefined;
  }

  #writeEntries(attrs: Attrs): void {
    const { shape, values } = attrs.flat();
    for (let i = 0; i < values.length; i++) {
      this.open("attr", { name: shape.names[i], ...this.#location(shape.positions === null ? 0 : shape.positions[i]) });
      this.write(values[i]);
      this.close();
    }
  }

  /** `given`: how many arguments it has got already. */
  #writeFunction({ code }: Closure, given: number): void {
    this.open("function", this.#location(code.pos));
    if (code.formals === null) this.#empty("varpat", { name: code.argNames[given] });
    else {
      this.open("attrspat", {
        ...(code.ellipsis ? { ellipsis: "1" } : {}),
        ...(code.named ? { name: code.argNames[0] } : {}),
      });
      for (const name of code.formals.map((formal) => formal.name).sort()) this.#empty("attr", { name });
      this.close();
    }
    this.close();
  }

  #location(pos: number): XmlAttributes {
    if (!this.#options.location || pos === 0) return {};
    const at = currentPositions().resolve(pos);
    if (at === undefined) return {};
    const path: XmlAttributes = at.origin.file === undefined ? {} : { path: at.origin.file };
    return { column: String(at.column), line: String(at.line), ...path };
  }
}

/** Sorted by name, each with a space before it. */
function showAttributes(attributes: XmlAttributes): ByteString {
  let text = "";
  for (const name of Object.keys(attributes).sort()) {
    text += ` ${name}="${attributes[name].replace(/["<>&\n]/g, (char) => ESCAPES[char])}"`;
  }
  return text;
}

/** `toXML`. */
export const XML_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("toXML", (value: Lazy) => {
    const { text, context } = valueToXml(value, { strict: true, location: false });
    return makeString(text, context);
  }),
];
