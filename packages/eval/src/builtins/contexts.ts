/*
String contexts as the language sees them: asking for them, adding to them, dropping them. A context shows as a set of store paths,
each with what of it is referred to: `path`, `allOutputs` (a derivation with its closure) or `outputs` by name.
*/

import type { ByteString } from "@firn/base";
import { Attrs } from "../attrs.ts";
import {
  contextOfString,
  forceAttrs,
  forceBool,
  forceList,
  forceString,
  forceTextWithoutContext,
  makeString,
  type StringValue,
  textOfString,
} from "../coerce.ts";
import { displayContextElement, parseContextElement, StringContext } from "../context.ts";
import { EvalError } from "../error.ts";
import { currentIo } from "../world.ts";
import { type Lazy, StringWithContext } from "../value.ts";
import { type BuiltinDefinition, builtin } from "./definition.ts";
import { coerceArgument } from "./strings.ts";

/** The name part of a store path is at most this long. */
const STORE_NAME_MAX = 211;
const STORE_BASE_NAME = /^[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9a-zA-Z+\-._?=]+$/;

function isStorePath(path: ByteString): boolean {
  const prefix = `${currentIo().storeDir}/`;
  if (!path.startsWith(prefix)) return false;
  const base = path.slice(prefix.length);
  return base.length <= 33 + STORE_NAME_MAX && STORE_BASE_NAME.test(base);
}

function getContext(string: Lazy): Attrs {
  const context = contextOfString(forceString(string));
  if (context === undefined) return Attrs.EMPTY;
  const byPath = new Map<ByteString, Map<string, Lazy>>();
  const infoOf = (path: ByteString) => {
    let info = byPath.get(path);
    if (info === undefined) byPath.set(path, (info = new Map()));
    return info;
  };
  for (const text of context.elements) {
    const element = parseContextElement(text);
    if (element.kind === "path") infoOf(element.path).set("path", true);
    else if (element.kind === "closure") infoOf(element.drvPath).set("allOutputs", true);
    else if (!element.drvPath.startsWith("/")) {
      // Its path is known only once it was built, and nothing builds such derivations yet.
      const drv = displayContextElement(element.drvPath.slice(element.drvPath.indexOf("!") + 1));
      const output = element.drvPath.slice(0, element.drvPath.indexOf("!"));
      throw new EvalError("store", `cannot operate on output '${output}' of the unbuilt derivation '${drv}'`);
    } else {
      // Elements are sorted, so the outputs of one derivation come in order.
      const info = infoOf(element.drvPath);
      const outputs = info.get("outputs");
      if (Array.isArray(outputs)) outputs.push(element.output);
      else info.set("outputs", [element.output]);
    }
  }
  const entries = new Map<string, Lazy>();
  for (const [path, info] of byPath) entries.set(path, Attrs.fromMap(info));
  return Attrs.fromMap(entries);
}

/** Adds what a set like getContext's says. Unlike C++ Nix outside read-only mode it does not ask the store whether the paths are there. */
function appendContext(string: Lazy, addition: Lazy): StringValue {
  const before = forceString(string);
  const additions = forceAttrs(addition).flat();
  const elements: ByteString[] = [...(contextOfString(before)?.elements ?? [])];
  for (let i = 0; i < additions.values.length; i++) {
    const path = additions.names[i];
    if (!isStorePath(path)) throw new EvalError("invalid-value", `context key '${path}' is not a store path`);
    addContextOfPath(elements, path, forceAttrs(additions.values[i]));
  }
  return makeString(textOfString(before), StringContext.of(elements));
}

function addContextOfPath(elements: ByteString[], path: ByteString, info: Attrs): void {
  const isDerivation = path.endsWith(".drv");
  const wantsPath = info.get("path");
  if (wantsPath !== undefined && forceBool(wantsPath)) elements.push(path);
  const allOutputs = info.get("allOutputs");
  if (allOutputs !== undefined && forceBool(allOutputs)) {
    if (!isDerivation) {
      throw new EvalError(
        "invalid-value",
        `tried to add all-outputs context of ${path}, which is not a derivation, to a string`,
      );
    }
    elements.push(`=${path}`);
  }
  const outputs = info.get("outputs");
  if (outputs === undefined) return;
  const names = forceList(outputs);
  if (names.length > 0 && !isDerivation) {
    throw new EvalError(
      "invalid-value",
      `tried to add derivation output context of ${path}, which is not a derivation, to a string`,
    );
  }
  for (const name of names) elements.push(`!${forceTextWithoutContext(name)}!${path}`);
}

/** Turns references to a derivation with its closure into ones to the `.drv` file alone. */
function unsafeDiscardOutputDependency(arg: Lazy): StringValue {
  const string = coerceArgument(arg);
  const context = contextOfString(string);
  if (context === undefined) return string;
  const elements = context.elements.map((element) => (element.startsWith("=") ? element.slice(1) : element));
  return makeString(textOfString(string), StringContext.of(elements));
}

/** The way back: the one `.drv` file a string refers to, with its closure. */
function addDrvOutputDependencies(arg: Lazy): StringValue {
  const string = coerceArgument(arg);
  const text = textOfString(string);
  const elements = contextOfString(string)?.elements ?? [];
  if (elements.length !== 1) {
    throw new EvalError(
      "invalid-value",
      `context of string '${text}' must have exactly one element, but has ${elements.length}`,
    );
  }
  const element = parseContextElement(elements[0]);
  if (element.kind === "closure") return string;
  if (element.kind === "output") {
    const message = `\`addDrvOutputDependencies\` can only act on derivations, not on a derivation output such as '${element.output}'`;
    throw new EvalError("invalid-value", message);
  }
  if (!element.path.endsWith(".drv"))
    throw new EvalError("invalid-value", `path '${element.path}' is not a derivation`);
  return makeString(text, StringContext.of([`=${element.path}`]));
}

/** `hasContext getContext appendContext unsafeDiscardStringContext unsafeDiscardOutputDependency addDrvOutputDependencies`. */
export const CONTEXT_BUILTINS: readonly BuiltinDefinition[] = [
  builtin("hasContext", (string: Lazy) => forceString(string) instanceof StringWithContext),
  builtin("getContext", getContext),
  builtin("appendContext", appendContext),
  builtin("unsafeDiscardStringContext", (string: Lazy) => textOfString(coerceArgument(string))),
  builtin("unsafeDiscardOutputDependency", unsafeDiscardOutputDependency),
  builtin("addDrvOutputDependencies", addDrvOutputDependencies),
];
