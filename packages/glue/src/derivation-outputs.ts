/*
Outputs of derivations as strings: their store paths where these are known before a build, otherwise placeholders, which a build puts the
paths in for; either way with a context that says what has to be built. Follows mkOutputString and prim_outputOf of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import {
  builtin,
  type BuiltinDefinition,
  contextOfString,
  displayContextElement,
  EvalError,
  forceString,
  forceTextWithoutContext,
  type Lazy,
  parseContextElement,
  StringContext,
  StringWithContext,
  textOfString,
} from "@firn/eval";
import { downstreamPlaceholder, downstreamPlaceholderOfOutput, parseAbsoluteStorePath } from "@firn/nix-compat";
import type { EvalStore } from "./eval-store.ts";

/**
 * The output of the derivation at `drvPath`, an absolute path or, where the .drv is an output itself, `<output>!<path of a .drv>`. `path`
 * is empty when it is not known.
 */
export function outputString(
  drvPath: ByteString,
  output: string,
  path: ByteString,
  store: EvalStore,
): StringWithContext {
  const text = path === "" ? placeholderOf(drvPath, output, store) : path;
  return new StringWithContext(text, StringContext.of([`!${output}!${drvPath}`]) as StringContext);
}

function placeholderOf(drvPath: ByteString, output: string, store: EvalStore): string {
  if (drvPath.startsWith("/")) {
    store.features.require("ca-derivations");
    return downstreamPlaceholder(parseAbsoluteStorePath(drvPath, store.storeDir), output);
  }
  const end = drvPath.indexOf("!");
  const inner = placeholderOf(drvPath.slice(end + 1), drvPath.slice(0, end), store);
  store.features.require("dynamic-derivations", `placeholder for unknown derivation output '${output}'`);
  return downstreamPlaceholderOfOutput(inner, output);
}

/** What the path of an output is, as far as its derivation says so; empty when it does not. */
function knownPath(drvPath: ByteString, output: string, store: EvalStore): ByteString {
  if (!drvPath.startsWith("/")) return "";
  const known = store.derivation(drvPath).derivation.outputs.get(output);
  if (known !== undefined) return known.path;
  throw new EvalError("store", `derivation '${drvPath}' does not have output '${output}'`);
}

/** `builtins.outputOf`: an output of the derivation that a string leads to, which may have to be built itself. */
export function outputOfBuiltin(store: EvalStore): BuiltinDefinition {
  return builtin("outputOf", (drv: Lazy, output: Lazy) => {
    const drvPath = derivedPath(drv, store);
    const name = forceTextWithoutContext(output);
    return outputString(drvPath, name, knownPath(drvPath, name, store), store);
  });
}

/** What the one element of the context leads to; the text must be what it leads to as well. */
function derivedPath(value: Lazy, store: EvalStore): ByteString {
  const string = forceString(value);
  const text = textOfString(string);
  const elements = contextOfString(string)?.elements ?? [];
  if (elements.length !== 1) {
    const message = `string '${text}' has ${elements.length} entries in its context. It should only have exactly one entry`;
    throw new EvalError("invalid-value", message);
  }
  const element = parseContextElement(elements[0]);
  if (element.kind === "closure") {
    const message = `string '${text}' has a context which refers to a complete source and binary closure. This is not supported at this time`;
    throw new EvalError("invalid-value", message);
  }
  if (element.kind === "path") {
    if (element.path === text) return element.path;
    const message = `path string '${text}' has context with the different path '${element.path}'`;
    throw new EvalError("invalid-value", message);
  }
  const { output, drvPath } = element;
  const expected = outputString(drvPath, output, knownPath(drvPath, output, store), store).text;
  if (expected === text) return `${output}!${drvPath}`;
  const shown = displayContextElement(drvPath.startsWith("/") ? drvPath : `!${drvPath}`);
  throw new EvalError(
    "invalid-value",
    `string '${text}' has context with the output '${output}' from derivation '${shown}', but the string is not the right placeholder for this derivation output. It should be '${expected}'`,
  );
}
