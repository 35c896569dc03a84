/*
What the contexts of a derivation's strings make it depend on: sources, outputs of derivations, and outputs of derivations that are
outputs themselves. Follows the walk over the context in derivationStrictInternal of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { contextOfString, parseContextElement, type StringContext, type StringValue, textOfString } from "@firn/eval";
import { type Derivation, type DynamicInput, type DynamicInputs, sortedMap, sortedSet } from "@firn/nix-compat";
import type { EvalStore } from "./eval-store.ts";

/** Gathers contexts; most strings have few elements, and the same ones again and again. */
export class ContextCollector {
  readonly elements = new Set<ByteString>();
  readonly #seen = new Set<StringContext>();

  /** The text of a string, its context kept. */
  add(string: StringValue): ByteString {
    this.addAll(contextOfString(string));
    return textOfString(string);
  }

  addAll(context: StringContext | undefined): void {
    if (context === undefined || this.#seen.has(context)) return;
    this.#seen.add(context);
    for (const element of context.elements) this.elements.add(element);
  }
}

/** What is wanted of a derivation, while it is gathered. */
type Wanted = { readonly outputs: Set<string>; dynamic: Map<string, Wanted> | undefined };

/** The inputs that context elements stand for. */
export function inputsOfContext(
  elements: ReadonlySet<ByteString>,
  store: EvalStore,
): Pick<Derivation, "inputDrvs" | "inputSrcs" | "dynamicInputs"> {
  const drvs = new Map<ByteString, Wanted>();
  const srcs = new Set<ByteString>();
  for (const element of elements) {
    const parsed = parseContextElement(element);
    if (parsed.kind === "path") srcs.add(parsed.path);
    else if (parsed.kind === "output") wantedAt(drvs, parsed.drvPath).outputs.add(parsed.output);
    else {
      // The builder can walk all of the graph, so all of it has to be there.
      for (const path of store.closureOfDerivation(parsed.drvPath)) {
        srcs.add(path);
        if (!path.endsWith(".drv")) continue;
        const { outputs } = wantedAt(drvs, path);
        for (const output of store.derivation(path).derivation.outputs.keys()) outputs.add(output);
      }
    }
  }
  const inputDrvs: [ByteString, readonly string[]][] = [];
  const dynamic: [ByteString, DynamicInputs][] = [];
  for (const [path, wanted] of drvs) {
    const input = inputOf(wanted);
    inputDrvs.push([path, input.outputs]);
    if (input.dynamic !== undefined) dynamic.push([path, input.dynamic]);
  }
  return {
    inputDrvs: sortedMap(inputDrvs),
    ...(dynamic.length === 0 ? {} : { dynamicInputs: sortedMap(dynamic) }),
    inputSrcs: [...srcs].sort(),
  };
}

/** The place for what is wanted of the derivation at `<output>!…!<path>` or plainly `<path>`. */
function wantedAt(drvs: Map<ByteString, Wanted>, drvPath: ByteString): Wanted {
  if (drvPath.startsWith("/")) return entryOf(drvs, drvPath);
  const end = drvPath.indexOf("!");
  const of = wantedAt(drvs, drvPath.slice(end + 1));
  of.dynamic ??= new Map();
  return entryOf(of.dynamic, drvPath.slice(0, end));
}

function entryOf(map: Map<string, Wanted>, key: string): Wanted {
  let wanted = map.get(key);
  if (wanted === undefined) map.set(key, (wanted = { outputs: new Set(), dynamic: undefined }));
  return wanted;
}

function inputOf({ outputs, dynamic }: Wanted): DynamicInput {
  const sorted = sortedSet(outputs);
  if (dynamic === undefined) return { outputs: sorted };
  return {
    outputs: sorted,
    dynamic: sortedMap(Array.from(dynamic, ([output, wanted]) => [output, inputOf(wanted)] as const)),
  };
}
