/*
`derivationStrict`: a set becomes a derivation. The order of checks, what goes into the environment and how follow `derivationStrictInternal`
of C++ Nix 2.35 (libexpr/primops.cc). Content-addressed, impure and dynamic derivations are refused by name.
*/

import type { ByteString } from "@firn/base";
import {
  Attrs,
  builtin,
  type BuiltinDefinition,
  coerceToString,
  contextOfString,
  EvalError,
  force,
  forceAttrs,
  forceBool,
  forceList,
  forceTextWithoutContext,
  type Lazy,
  parseContextElement,
  StringContext,
  StringWithContext,
  textOfString,
  valueToJson,
} from "@firn/eval";
import { type Hash, HashError, isHashAlgorithm, parseHash } from "@firn/hash";
import {
  checkOutputName,
  type Derivation,
  type DerivationOutput,
  fixedOutput,
  NixCompatError,
  sortedMap,
  UNFILLED_OUTPUT,
} from "@firn/nix-compat";
import { checkName, type EvalStore } from "./eval-store.ts";

export function derivationStrictBuiltin(store: EvalStore): BuiltinDefinition {
  return { ...builtin("derivationStrict", (attrs: Lazy) => derivationStrict(forceAttrs(attrs), store)), global: true };
}

/** What the attributes say of outputs, read while they are gone through. */
type Wanted = {
  outputs: string[];
  hash: string | undefined;
  hashAlgorithm: string | undefined;
  hashMode: string;
};

function derivationStrict(attrs: Attrs, store: EvalStore): Attrs {
  const nameAttr = attrs.get("name");
  if (nameAttr === undefined) throw new EvalError("missing-attribute", "required attribute 'name' missing");
  const name = traced("name", attrs, () => forceTextWithoutContext(nameAttr));
  checkName(name);
  try {
    return makeDerivation(name, attrs, store);
  } catch (thrown) {
    if (thrown instanceof EvalError) thrown.addTrace(`while evaluating derivation '${name}'`, attrs.positionOf("name"));
    throw thrown;
  }
}

function makeDerivation(name: string, attrs: Attrs, store: EvalStore): Attrs {
  const structured = flag(attrs, "__structuredAttrs");
  const ignoreNulls = flag(attrs, "__ignoreNulls");
  const context = new ContextCollector();
  const wanted: Wanted = { outputs: ["out"], hash: undefined, hashAlgorithm: undefined, hashMode: "flat" };
  const env = new Map<ByteString, ByteString>();
  const args: ByteString[] = [];
  const json: [string, ByteString][] = [];
  let builder = "";
  let system = "";

  attrs.flat();
  attrs.shape.names.forEach((key, n) => {
    if (key === "__ignoreNulls") return;
    traced(key, attrs, () => {
      const value = attrs.values[n];
      if (ignoreNulls && force(value) === null) return;
      if (key === "__contentAddressed" || key === "__impure") {
        if (forceBool(value)) {
          throw new EvalError("unsupported", `derivations with '${key} = true' are not supported yet`);
        }
        // A false one is an ordinary attribute of the environment.
      }
      if (key === "args") {
        for (const arg of forceList(value)) args.push(context.add(coerceToString(force(arg), "more", "copy")));
        return;
      }
      if (structured) {
        if (key === "__structuredAttrs") return;
        const { text, context: valueContext } = valueToJson(value, { strict: true });
        context.addAll(valueContext);
        json.push([key, text]);
        if (key === "builder") builder = context.add(coerceToString(force(value), "natural", "copy"));
        else if (key === "system") system = forceTextWithoutContext(value);
        else if (key === "outputs") wanted.outputs = forceList(value).map(forceTextWithoutContext);
        else readHashAttr(key, () => forceTextWithoutContext(value), wanted);
        return;
      }
      const text = context.add(coerceToString(force(value), "more", "copy"));
      env.set(key, text);
      if (key === "builder") builder = text;
      else if (key === "system") system = text;
      else if (key === "outputs") wanted.outputs = text.split(/[ \t\n\r]+/).filter((word) => word !== "");
      else readHashAttr(key, () => text, wanted);
    });
  });

  if (structured) {
    env.set("__json", `{${json.map(([key, text]) => `${valueToJson(key, { strict: true }).text}:${text}`).join(",")}}`);
  }
  checkOutputs(wanted.outputs);
  if (builder === "") throw new EvalError("missing-attribute", "required attribute 'builder' missing");
  if (system === "") throw new EvalError("missing-attribute", "required attribute 'system' missing");
  if (name.endsWith(".drv")) {
    throw new EvalError(
      "invalid-value",
      "derivation names are allowed to end in '.drv' only if they produce a single derivation file",
    );
  }

  const { inputDrvs, inputSrcs } = resolveContext(context.elements, store);
  const fixed = wanted.hash === undefined ? undefined : fixedOutputOf(wanted);
  const outputs = sortedMap<DerivationOutput>(wanted.outputs.map((output) => [output, fixed ?? UNFILLED_OUTPUT]));
  if (fixed === undefined) for (const output of wanted.outputs) env.set(output, "");
  else env.set("out", "");
  const unfilled: Derivation = { name, outputs, inputDrvs, inputSrcs, system, builder, args, env: sortedMap(env) };
  const { drvPath, derivation } = store.addDerivation(unfilled);

  const result = new Map<string, Lazy>();
  result.set("drvPath", new StringWithContext(drvPath, StringContext.of([`=${drvPath}`]) as StringContext));
  for (const [output, { path }] of derivation.outputs) {
    result.set(output, new StringWithContext(path, StringContext.of([`!${output}!${drvPath}`]) as StringContext));
  }
  return Attrs.fromMap(result);
}

function flag(attrs: Attrs, name: string): boolean {
  const value = attrs.get(name);
  return value !== undefined && traced(name, attrs, () => forceBool(value));
}

function traced<T>(key: string, attrs: Attrs, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof EvalError) thrown.addTrace(`while evaluating attribute '${key}'`, attrs.positionOf(key));
    throw thrown;
  }
}

function readHashAttr(key: string, text: () => string, wanted: Wanted): void {
  if (key === "outputHash") wanted.hash = text();
  else if (key === "outputHashAlgo") wanted.hashAlgorithm = text();
  else if (key === "outputHashMode") wanted.hashMode = text();
}

function checkOutputs(outputs: readonly string[]): void {
  if (outputs.length === 0) throw new EvalError("invalid-value", "derivation cannot have an empty set of outputs");
  const seen = new Set<string>();
  for (const output of outputs) {
    if (seen.has(output)) throw new EvalError("invalid-value", `duplicate derivation output '${output}'`);
    seen.add(output);
    try {
      checkOutputName(output);
    } catch (thrown) {
      if (!(thrown instanceof NixCompatError)) throw thrown;
      throw new EvalError("invalid-value", `invalid derivation output name '${output}'`, 0, thrown);
    }
  }
}

/** The output of a fixed-output derivation, from its three attributes. */
function fixedOutputOf(wanted: Wanted): DerivationOutput {
  if (wanted.outputs.length !== 1 || wanted.outputs[0] !== "out") {
    throw new EvalError("invalid-value", "multiple outputs are not supported in fixed-output derivations");
  }
  const method = wanted.hashMode === "recursive" || wanted.hashMode === "nar" ? "nar" : wanted.hashMode;
  if (method === "text" || method === "git") {
    throw new EvalError("unsupported", `outputHashMode '${method}' is not supported yet`);
  }
  if (method !== "nar" && method !== "flat") {
    throw new EvalError("invalid-value", `invalid value '${wanted.hashMode}' for 'outputHashMode' attribute`);
  }
  return fixedOutput(method, hashOf(wanted.hash as string, wanted.hashAlgorithm ?? ""));
}

/** Parses a hash as attributes give it; the empty one stands for all zeros. */
export function hashOf(text: string, algorithm: string): Hash {
  if (algorithm !== "" && !isHashAlgorithm(algorithm)) {
    throw new EvalError(
      "invalid-value",
      `unknown hash algorithm '${algorithm}', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'`,
    );
  }
  const expected = algorithm === "" ? undefined : algorithm;
  if (text === "") {
    if (expected === undefined) throw new EvalError("invalid-value", "empty hash requires explicit hash algorithm");
    const zeros = { md5: 16, sha1: 20, sha256: 32, sha512: 64, blake3: 32 }[expected];
    return { algorithm: expected, bytes: new Uint8Array(zeros) };
  }
  try {
    return parseHash(text, expected);
  } catch (thrown) {
    if (thrown instanceof HashError) throw new EvalError("invalid-value", thrown.message, 0, thrown);
    throw thrown;
  }
}

/** What the elements of all contexts make the derivation depend on. */
function resolveContext(
  elements: ReadonlySet<ByteString>,
  store: EvalStore,
): Pick<Derivation, "inputDrvs" | "inputSrcs"> {
  const drvs = new Map<ByteString, Set<string>>();
  const srcs = new Set<ByteString>();
  const addOutput = (drvPath: ByteString, output: string) => {
    const outputs = drvs.get(drvPath);
    if (outputs === undefined) drvs.set(drvPath, new Set([output]));
    else outputs.add(output);
  };
  for (const element of elements) {
    const parsed = parseContextElement(element);
    if (parsed.kind === "path") srcs.add(parsed.path);
    else if (parsed.kind === "output") addOutput(parsed.drvPath, parsed.output);
    else {
      for (const path of store.closureOfDerivation(parsed.drvPath)) {
        srcs.add(path);
        if (path.endsWith(".drv"))
          for (const output of store.derivation(path).derivation.outputs.keys()) addOutput(path, output);
      }
    }
  }
  return {
    inputDrvs: sortedMap([...drvs].map(([path, outputs]) => [path, [...outputs].sort()] as const)),
    inputSrcs: [...srcs].sort(),
  };
}

/** Gathers contexts; most strings have few elements, and the same ones again and again. */
class ContextCollector {
  readonly elements = new Set<ByteString>();
  readonly #seen = new Set<StringContext>();

  /** The text of a string, its context kept. */
  add(string: string | StringWithContext): ByteString {
    this.addAll(contextOfString(string));
    return textOfString(string);
  }

  addAll(context: StringContext | undefined): void {
    if (context === undefined || this.#seen.has(context)) return;
    this.#seen.add(context);
    for (const element of context.elements) this.elements.add(element);
  }
}
