/*
Derivations as text: the ATerm in a .drv file. Printing is the hottest function of an instantiation (every derivation is
printed about three times to be hashed), so text that needs no escaping, which is nearly all, is copied only once.

Reading accepts exactly what C++ Nix prints: sorted, no duplicates, valid store paths. Follows Derivation::unparse and parseDerivation.
*/

import type { ByteString } from "@firn/base";
import {
  checkOutputName,
  type Derivation,
  type DerivationOutput,
  type DynamicInput,
  type DynamicInputs,
  writtenOutput,
} from "./derivation.ts";
import { NixCompatError, type NixCompatErrorCode } from "./error.ts";
import { checkStorePathName, DEFAULT_STORE_DIR, parseAbsoluteStorePath } from "./store-path.ts";

/** Longest .drv text that is read, in bytes. */
export const DERIVATION_BYTES_MAX = 256 * 1024 * 1024;

export type PrintOptions = {
  /** Prints output paths, and the environment variables named like outputs, as empty: what output paths are computed from. */
  readonly maskOutputs?: boolean;
  /** Printed in place of the input derivations; sorted as they are. */
  readonly inputDrvs?: ReadonlyMap<string, readonly string[]>;
};

/** What derivations with dynamic inputs say their format is. */
const DYNAMIC_VERSION = "xp-dyn-drv";
/** Deepest nesting of dynamic inputs that is read. */
const DYNAMIC_DEPTH_MAX = 64;

const QUOTE = 34;
const BACKSLASH = 92;
const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;

/** A quoted string with `"`, `\`, newline, carriage return and tab escaped. */
export function quoteATerm(text: ByteString): ByteString {
  // One loop over char codes is measurably faster than a regular expression or five replaceAll, for short text and for long.
  let quoted = '"';
  let plainFrom = 0;
  for (let at = 0; at < text.length; at++) {
    let escape: string;
    switch (text.charCodeAt(at)) {
      case QUOTE:
        escape = '\\"';
        break;
      case BACKSLASH:
        escape = "\\\\";
        break;
      case NEWLINE:
        escape = "\\n";
        break;
      case RETURN:
        escape = "\\r";
        break;
      case TAB:
        escape = "\\t";
        break;
      default:
        continue;
    }
    quoted += text.slice(plainFrom, at) + escape;
    plainFrom = at + 1;
  }
  return plainFrom === 0 ? `"${text}"` : `${quoted}${text.slice(plainFrom)}"`;
}

/** The text of the derivation's .drv file, or a variant of it for hashing. */
export function printDerivation(drv: Derivation, options: PrintOptions = {}): ByteString {
  const maskOutputs = options.maskOutputs === true;
  return (
    printDerivationHead(drv, maskOutputs, options.inputDrvs ?? drv.inputDrvs) + printDerivationTail(drv, maskOutputs)
  );
}

/** The text up to and with the input derivations. With the tail it makes the whole; those who print variants print the tail once. */
export function printDerivationHead(
  drv: Derivation,
  maskOutputs: boolean,
  inputDrvs: ReadonlyMap<string, readonly string[]>,
): ByteString {
  let text = drv.dynamicInputs === undefined ? "Derive([" : `DrvWithVersion("${DYNAMIC_VERSION}",[`;
  let separator = "";
  for (const [name, output] of drv.outputs) {
    const path = maskOutputs ? "" : output.path;
    text += `${separator}("${name}","${path}","${output.hashAlgorithm}","${output.hash}")`;
    separator = ",";
  }
  text += "],[";
  separator = "";
  for (const [path, outputNames] of inputDrvs) {
    text += `${separator}("${path}",${inputNode(outputNames, drv.dynamicInputs?.get(path))})`;
    separator = ",";
  }
  return text;
}

/** The text after the input derivations. */
export function printDerivationTail(drv: Derivation, maskOutputs: boolean): ByteString {
  let text = `],${unescapedList(drv.inputSrcs)},"${drv.system}",${quoteATerm(drv.builder)},[`;
  let separator = "";
  for (const arg of drv.args) {
    text += separator + quoteATerm(arg);
    separator = ",";
  }
  text += "],[";
  separator = "";
  for (const [name, value] of drv.env) {
    const printed = maskOutputs && drv.outputs.has(name) ? '""' : quoteATerm(value);
    text += `${separator}(${quoteATerm(name)},${printed})`;
    separator = ",";
  }
  return `${text}])`;
}

/** What is wanted of an input derivation: outputs, and outputs of the derivations some of its outputs are. */
function inputNode(outputNames: readonly string[], dynamic: DynamicInputs | undefined): string {
  if (dynamic === undefined) return unescapedList(outputNames);
  const children = Array.from(dynamic, ([name, child]) => `("${name}",${inputNode(child.outputs, child.dynamic)})`);
  return `(${unescapedList(outputNames)},[${children.join(",")}])`;
}

/** Paths and output names hold no character to escape; C++ Nix does not escape them either, nor the system. */
function unescapedList(items: readonly string[]): string {
  return items.length === 0 ? "[]" : `["${items.join('","')}"]`;
}

/**
 * Reads a .drv file's text. `name` is the derivation's, without `.drv`. Errors carry `context.offset`, the byte they are at.
 *
 * DEVIATION: C++ Nix reads unsorted and repeated entries and prints them in order; here they are `invalid-derivation`, so that
 * printing gives back the bytes that were read. An unknown version in the `DrvWithVersion` form is `unsupported-derivation`.
 */
export function parseDerivation(text: ByteString, name: string, storeDir: string = DEFAULT_STORE_DIR): Derivation {
  checkStorePathName(name);
  return new ATermReader(text, name, storeDir).derivation();
}

class ATermReader {
  readonly #text: ByteString;
  readonly #name: string;
  readonly #storeDir: string;
  #at = 0;
  /** Where the last string started: what is wrong with it is reported there. */
  #stringAt = 0;

  constructor(text: ByteString, name: string, storeDir: string) {
    this.#text = text;
    this.#name = name;
    this.#storeDir = storeDir;
  }

  derivation(): Derivation {
    if (this.#text.length > DERIVATION_BYTES_MAX) this.#fail(`longer than ${DERIVATION_BYTES_MAX} bytes`, "limit");
    const dynamicInputs = new Map<ByteString, DynamicInputs>();
    const isDynamic = this.#text.startsWith("DrvWithVersion(");
    if (isDynamic) {
      this.#expect("DrvWithVersion(");
      const version = this.#string();
      if (version !== DYNAMIC_VERSION)
        this.#failString(`unknown derivation format version '${shorten(version)}'`, "unsupported-derivation");
      this.#expect(",");
    } else this.#expect("Derive(");
    const outputs = this.#map(
      () => this.#outputName(),
      () => this.#output(),
    );
    this.#expect(",");
    const inputDrvs = this.#map(
      () => this.#storePath(),
      (path) => {
        this.#expect(",");
        const { outputs, dynamic } = this.#inputNode(isDynamic ? DYNAMIC_DEPTH_MAX : 0);
        if (dynamic !== undefined) dynamicInputs.set(path, dynamic);
        return outputs;
      },
    );
    if (isDynamic && dynamicInputs.size === 0) this.#fail("a dynamic derivation without dynamic inputs");
    this.#expect(",");
    const inputSrcs = this.#sortedList(() => this.#storePath());
    this.#expect(",");
    const system = this.#string();
    this.#expect(",");
    const builder = this.#string();
    this.#expect(",");
    const args = this.#list(() => this.#string());
    this.#expect(",");
    const env = this.#map(
      () => this.#string(),
      () => this.#field(),
    );
    this.#expect(")");
    if (this.#at !== this.#text.length) this.#fail("something follows the derivation");
    const dynamic = dynamicInputs.size === 0 ? {} : { dynamicInputs };
    return { name: this.#name, outputs, inputDrvs, ...dynamic, inputSrcs, system, builder, args, env };
  }

  /** `["out"]`, or with `levels` left `(["out"],[("out",...)])`. */
  #inputNode(levels: number): DynamicInput {
    if (levels === 0 || this.#text[this.#at] === "[") return { outputs: this.#sortedList(() => this.#outputName()) };
    this.#expect("(");
    const outputs = this.#sortedList(() => this.#outputName());
    this.#expect(",");
    const dynamic = this.#map(
      () => this.#outputName(),
      () => {
        this.#expect(",");
        return this.#inputNode(levels - 1);
      },
    );
    if (dynamic.size === 0) this.#fail("an empty list of dynamic inputs");
    this.#expect(")");
    return { outputs, dynamic };
  }

  /** `[(key,value...),...]` with keys in order. */
  #map<V>(key: () => ByteString, value: (key: ByteString) => V): Map<ByteString, V> {
    const map = new Map<ByteString, V>();
    let previous: ByteString | undefined;
    this.#list(() => {
      this.#expect("(");
      const name = key();
      if (previous !== undefined && name <= previous)
        this.#failString(`'${shorten(name)}' is repeated or out of order`);
      previous = name;
      map.set(name, value(name));
      this.#expect(")");
    });
    return map;
  }

  #sortedList(item: () => ByteString): ByteString[] {
    let previous: ByteString | undefined;
    return this.#list(() => {
      const next = item();
      if (previous !== undefined && next <= previous)
        this.#failString(`'${shorten(next)}' is repeated or out of order`);
      previous = next;
      return next;
    });
  }

  #list<T>(item: () => T): T[] {
    const items: T[] = [];
    this.#expect("[");
    if (this.#text[this.#at] === "]") {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(item());
      if (this.#text[this.#at] === "]") break;
      this.#expect(",");
    }
    this.#at++;
    return items;
  }

  #field(): ByteString {
    this.#expect(",");
    return this.#string();
  }

  #output(): DerivationOutput {
    this.#expect(",");
    const path = this.#text.startsWith('""', this.#at) ? this.#string() : this.#storePath();
    const hashAlgorithm = this.#field();
    const hash = this.#field();
    return this.#checked(() => writtenOutput(path, hashAlgorithm, hash));
  }

  #outputName(): string {
    const name = this.#string();
    this.#checked(() => checkOutputName(name));
    return name;
  }

  #storePath(): ByteString {
    const path = this.#string();
    this.#checked(() => parseAbsoluteStorePath(path, this.#storeDir));
    return path;
  }

  /** Runs a check of something just read, adding where it was. */
  #checked<T>(check: () => T): T {
    try {
      return check();
    } catch (cause) {
      if (!(cause instanceof NixCompatError)) throw cause;
      this.#failString(cause.message, "invalid-derivation", cause);
    }
  }

  #string(): ByteString {
    this.#stringAt = this.#at;
    this.#expect('"');
    const text = this.#text;
    const from = this.#at;
    let quote = text.indexOf('"', from);
    if (quote < 0) this.#fail("a string does not end");
    const backslash = text.indexOf("\\", from);
    if (backslash < 0 || backslash > quote) {
      this.#at = quote + 1;
      return text.slice(from, quote);
    }
    let unescaped = "";
    let plainFrom = from;
    let at = backslash;
    for (;;) {
      const char = text[at];
      if (char === undefined) this.#fail("a string does not end");
      if (char === '"') break;
      if (char === "\\") {
        const next = text[at + 1];
        if (next === undefined) this.#fail("a string does not end");
        unescaped +=
          text.slice(plainFrom, at) + (next === "n" ? "\n" : next === "r" ? "\r" : next === "t" ? "\t" : next);
        at += 2;
        plainFrom = at;
      } else at++;
    }
    quote = at;
    this.#at = quote + 1;
    return unescaped + text.slice(plainFrom, quote);
  }

  #expect(token: string): void {
    if (!this.#text.startsWith(token, this.#at)) {
      const found = this.#text.slice(this.#at, this.#at + 20);
      this.#fail(`expected '${token}', found ${found === "" ? "the end" : `'${found}'`}`);
    }
    this.#at += token.length;
  }

  #failString(what: string, code?: NixCompatErrorCode, cause?: unknown): never {
    this.#at = this.#stringAt;
    this.#fail(what, code, cause);
  }

  #fail(what: string, code: NixCompatErrorCode = "invalid-derivation", cause?: unknown): never {
    const message = `derivation '${this.#name}' at byte ${this.#at}: ${what}`;
    throw new NixCompatError(code, message, { context: { offset: this.#at }, cause });
  }
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
