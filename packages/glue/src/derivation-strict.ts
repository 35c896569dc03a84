/*
`derivationStrict`: a set becomes a derivation. The order of checks, what goes into the environment and how follow `derivationStrictInternal`
of C++ Nix 2.35 (libexpr/primops.cc).
*/

import type { ByteString } from "@firn/base";
import {
  Attrs,
  builtin,
  type BuiltinDefinition,
  coerceToString,
  currentIo,
  currentPositions,
  EvalError,
  force,
  forceAttrs,
  forceBool,
  forceList,
  forceString,
  forceTextWithoutContext,
  type Lazy,
  StringContext,
  StringWithContext,
  valueToJson,
} from "@firn/eval";
import {
  digestBytes,
  type Hash,
  type HashAlgorithm,
  HashError,
  isHashAlgorithm,
  parseHash,
  printHash,
} from "@firn/hash";
import {
  type ContentAddressMethod,
  type Derivation,
  type DerivationOutput,
  fixedOutput,
  floatingOutput,
  impureOutput,
  NixCompatError,
  sortedMap,
  UNFILLED_OUTPUT,
} from "@firn/nix-compat";
import { ContextCollector, inputsOfContext } from "./derivation-inputs.ts";
import { outputString } from "./derivation-outputs.ts";
import type { EvalStore } from "./eval-store.ts";
import { GlueError } from "./error.ts";
import { normalizeJsonObject } from "./json-value.ts";

export function derivationStrictBuiltin(store: EvalStore): BuiltinDefinition {
  return {
    ...builtin("derivationStrict", (attrs: Lazy) =>
      derivationStrict(forceAttrs(attrs, "while evaluating the argument passed to builtins.derivationStrict"), store),
    ),
    global: true,
  };
}

function derivationStrict(attrs: Attrs, store: EvalStore): Attrs {
  const nameAttr = attrs.get("name");
  if (nameAttr === undefined) {
    const during = "in the attrset passed as argument to builtins.derivationStrict";
    throw new EvalError("missing-attribute", "attribute 'name' missing").within(during);
  }
  const name = traced("while evaluating the derivation attribute 'name'", "name", attrs, () =>
    forceTextWithoutContext(nameAttr, "while evaluating the `name` attribute passed to builtins.derivationStrict"),
  );
  try {
    return new DerivationMaker(name, attrs, store).make();
  } catch (thrown) {
    const error = thrown instanceof NixCompatError ? new EvalError("invalid-value", thrown.message, 0, thrown) : thrown;
    if (error instanceof EvalError) {
      // The place is part of the text, so that no excerpt is shown: what stands there does not matter.
      const place = currentPositions().describe(attrs.positionOf("name")) ?? "«none»";
      error.addTrace(`while evaluating derivation '${name}'\n  whose name attribute is located at ${place}`, 0);
    }
    throw error;
  }
}

function traced<T>(message: string, key: string, attrs: Attrs, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof EvalError) thrown.addTrace(message, attrs.positionOf(key));
    throw thrown;
  }
}

/** Attributes that mean nothing with structured attributes, which have `outputChecks` for them. */
const REPLACED_BY_OUTPUT_CHECKS = new Set([
  "allowedReferences",
  "allowedRequisites",
  "disallowedReferences",
  "disallowedRequisites",
  "maxSize",
  "maxClosureSize",
]);

/** One derivation in the making. */
class DerivationMaker {
  readonly #name: string;
  readonly #attrs: Attrs;
  readonly #store: EvalStore;
  readonly #context = new ContextCollector();
  readonly #env = new Map<ByteString, ByteString>();
  readonly #args: ByteString[] = [];
  readonly #json: string[] = [];
  #builder = "";
  #system = "";
  #outputs: readonly string[] = ["out"];
  #hash: string | undefined;
  #hashAlgorithm: HashAlgorithm | undefined;
  #method: ContentAddressMethod | undefined;
  #isContentAddressed = false;
  #isImpure = false;

  constructor(name: string, attrs: Attrs, store: EvalStore) {
    this.#name = name;
    this.#attrs = attrs;
    this.#store = store;
  }

  make(): Attrs {
    this.#store.checkDerivationName(this.#name);
    this.#readAttributes();
    const inputs = inputsOfContext(this.#context.elements, this.#store);
    this.#checkRequired();
    const outputs = this.#makeOutputs();
    const unfilled: Derivation = {
      name: this.#name,
      outputs,
      ...inputs,
      system: this.#system,
      builder: this.#builder,
      args: this.#args,
      env: sortedMap(this.#env),
    };
    const { drvPath, derivation } = this.#store.addDerivation(unfilled);
    const result = new Map<string, Lazy>();
    result.set("drvPath", new StringWithContext(drvPath, StringContext.of([`=${drvPath}`]) as StringContext));
    for (const [output, { path }] of derivation.outputs)
      result.set(output, outputString(drvPath, output, path, this.#store));
    return Attrs.fromMap(result);
  }

  #flag(name: string): boolean {
    const value = this.#attrs.get(name);
    const during = `while evaluating the \`${name}\` attribute passed to builtins.derivationStrict`;
    return value !== undefined && forceBool(value, during);
  }

  #readAttributes(): void {
    const structured = this.#flag("__structuredAttrs");
    const ignoreNulls = this.#flag("__ignoreNulls");
    const attrs = this.#attrs.flat();
    attrs.shape.names.forEach((key, n) => {
      if (key === "__ignoreNulls") return;
      const value = attrs.values[n];
      traced(`while evaluating attribute '${key}' of derivation '${this.#name}'`, key, attrs, () => {
        if (ignoreNulls && force(value) === null) return;
        if (key === "__contentAddressed" || key === "__impure") this.#readKind(key, value);
        else if (key === "args") {
          for (const arg of forceList(value))
            this.#args.push(
              this.#context.add(
                coerceToString(force(arg), "more", "copy", "while evaluating an element of the argument list"),
              ),
            );
        } else if (!structured) this.#readVariable(key, value);
        else if (key !== "__structuredAttrs") this.#readStructured(key, value);
      });
    });
    if (structured) this.#env.set("__json", `{${this.#json.join(",")}}`);
  }

  /** These two leave no trace in the environment, whatever they say. */
  #readKind(key: "__contentAddressed" | "__impure", value: Lazy): void {
    if (!forceBool(value)) return;
    if (key === "__impure") this.#isImpure = true;
    else this.#isContentAddressed = true;
    this.#store.features.require(key === "__impure" ? "impure-derivations" : "ca-derivations");
  }

  #readStructured(key: string, value: Lazy): void {
    const { text, context } = valueToJson(value, { strict: true });
    this.#context.addAll(context);
    this.#json.push(`${valueToJson(key, { strict: true }).text}:${text}`);
    if (key === "builder") this.#builder = this.#context.add(forceString(value));
    else if (key === "system") this.#system = forceTextWithoutContext(value);
    else if (key === "outputs") this.#setOutputs(forceList(value).map((output) => forceTextWithoutContext(output)));
    else this.#readHash(key, () => forceTextWithoutContext(value));
    if (REPLACED_BY_OUTPUT_CHECKS.has(key)) {
      currentIo().log(
        "warning",
        `In a derivation named '${this.#name}', 'structuredAttrs' disables the effect of the derivation attribute '${key}'; use 'outputChecks.<output>.${key}' instead`,
      );
    }
  }

  #readVariable(key: string, value: Lazy): void {
    const text = this.#context.add(coerceToString(force(value), "more", "copy"));
    if (key === "__json") {
      this.#env.set(key, this.#normalizedJson(text));
      return;
    }
    this.#env.set(key, text);
    if (key === "builder") this.#builder = text;
    else if (key === "system") this.#system = text;
    else if (key === "outputs") this.#setOutputs(text.split(/[ \t\n\r]+/).filter((word) => word !== ""));
    else this.#readHash(key, () => text);
  }

  /** Structured attributes that were written as text are kept as what they say, not as they say it. */
  #normalizedJson(text: ByteString): ByteString {
    currentIo().log(
      "warning",
      `In derivation '${this.#name}': setting structured attributes via '__json' is deprecated, and may be disallowed in future versions of Nix. Set '__structuredAttrs = true' instead.`,
    );
    try {
      return normalizeJsonObject(text, `the attribute '__json' of derivation '${this.#name}'`);
    } catch (thrown) {
      if (!(thrown instanceof GlueError)) throw thrown;
      throw new EvalError("invalid-value", `cannot process __json attribute: ${thrown.message}`, 0, thrown);
    }
  }

  #readHash(key: string, text: () => string): void {
    if (key === "outputHash") this.#hash = text();
    else if (key === "outputHashMode") this.#setMethod(text());
    else if (key === "outputHashAlgo") {
      // An unknown one counts as none, as in C++ Nix.
      const name = text();
      if (name === "blake3") this.#store.features.require("blake3-hashes");
      this.#hashAlgorithm = isHashAlgorithm(name) ? name : undefined;
    }
  }

  #setMethod(mode: string): void {
    const method = mode === "recursive" ? "nar" : mode;
    if (method !== "flat" && method !== "nar" && method !== "text" && method !== "git")
      throw new EvalError("invalid-value", `invalid value '${mode}' for 'outputHashMode' attribute`);
    this.#method = method;
    const { features } = this.#store;
    if (method === "text")
      features.require("dynamic-derivations", `text-hashed derivation '${this.#name}', outputHashMode = "text"`);
    if (method === "git") features.require("git-hashing");
  }

  #setOutputs(outputs: readonly string[]): void {
    const seen = new Set<string>();
    for (const output of outputs) {
      if (seen.has(output)) throw new EvalError("invalid-value", `duplicate derivation output '${output}'`);
      if (output === "drvPath") throw new EvalError("invalid-value", "invalid derivation output name 'drvPath'");
      seen.add(output);
    }
    if (seen.size === 0) throw new EvalError("invalid-value", "derivation cannot have an empty set of outputs");
    this.#outputs = outputs;
  }

  get #hasOnlyOut(): boolean {
    return this.#outputs.length === 1 && this.#outputs[0] === "out";
  }

  #checkRequired(): void {
    if (this.#builder === "") throw new EvalError("missing-attribute", "required attribute 'builder' missing");
    if (this.#system === "") throw new EvalError("missing-attribute", "required attribute 'system' missing");
    if (this.#name.endsWith(".drv") && !(this.#method === "text" && this.#hasOnlyOut)) {
      throw new EvalError(
        "invalid-value",
        "derivation names are allowed to end in '.drv' only if they produce a single derivation file",
      );
    }
  }

  /** The outputs, with variables of their names for their paths to go in. */
  #makeOutputs(): ReadonlyMap<string, DerivationOutput> {
    let output = UNFILLED_OUTPUT;
    if (this.#hash !== undefined) {
      // What is fixed is content-addressed already, so `__contentAddressed` says nothing more.
      if (!this.#hasOnlyOut)
        throw new EvalError("invalid-value", "multiple outputs are not supported in fixed-output derivations");
      const hash = hashOf(this.#hash, this.#hashAlgorithm, this.#store);
      output = fixedOutput(this.#method ?? "flat", hash);
    } else if (this.#isContentAddressed || this.#isImpure) {
      if (this.#isContentAddressed && this.#isImpure)
        throw new EvalError("invalid-value", "derivation cannot be both content-addressed and impure");
      const make = this.#isImpure ? impureOutput : floatingOutput;
      output = make(this.#method ?? "nar", this.#hashAlgorithm ?? "sha256");
    }
    for (const name of this.#outputs) this.#env.set(name, "");
    return sortedMap(this.#outputs.map((name) => [name, output]));
  }
}

/** Parses a hash as attributes give it; the empty one stands for all zeros. */
export function hashOf(text: string, algorithm: HashAlgorithm | undefined, store: EvalStore): Hash {
  if (text === "") {
    if (algorithm === undefined) throw new EvalError("invalid-value", "empty hash requires explicit hash algorithm");
    const zeros: Hash = { algorithm, bytes: new Uint8Array(digestBytes(algorithm)) };
    currentIo().log("warning", `found empty hash, assuming '${printHash(zeros, "sri")}'`);
    return zeros;
  }
  try {
    const hash = parseHash(text, algorithm);
    if (hash.algorithm === "blake3") store.features.require("blake3-hashes");
    return hash;
  } catch (thrown) {
    if (thrown instanceof HashError) throw new EvalError("invalid-value", thrown.message, 0, thrown);
    throw thrown;
  }
}
