/*
What a derivation asks of its builder besides running: attributes read from its environment or, with structured attributes, from its
JSON. Here is also the list of what Firn does not do: such a derivation is refused by name before anything is built.
*/

import { type ByteString, textOf } from "@firn/base";
import { type Derivation, derivationKind } from "@firn/nix-compat";
import { GlueError } from "./error.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "./json-value.ts";

/** Builders that are part of Firn: builtin-step.ts. */
export const BUILTIN_BUILDERS: ReadonlySet<ByteString> = new Set([
  "builtin:buildenv",
  "builtin:fetchurl",
  "builtin:unpack-channel",
]);

/** The environment variable that holds structured attributes. */
const JSON_VARIABLE = "__json";

/** Reads attributes wherever the derivation keeps them. Follows ParsedDerivation. */
export class DerivationAttributes {
  /** The structured attributes, undefined for a derivation without. */
  readonly structured: JsonObject | undefined;
  readonly #drv: Derivation;

  /** Throws `invalid-derivation` when the structured attributes are no JSON object. */
  constructor(drv: Derivation) {
    this.#drv = drv;
    const text = drv.env.get(JSON_VARIABLE);
    if (text === undefined) return;
    const what = `the structured attributes of derivation '${drv.name}'`;
    const value = parseJson(text, what);
    if (!isJsonObject(value)) throw new GlueError("invalid-derivation", `${what} are no object`);
    this.structured = value;
  }

  /** Whether outputs may come from elsewhere instead of being built. */
  get allowsSubstitutes(): boolean {
    return !this.has("allowSubstitutes") || this.flag("allowSubstitutes");
  }

  /** Whether the attribute is there at all. */
  has(name: ByteString): boolean {
    return this.structured?.has(name) ?? this.#drv.env.has(name);
  }

  /** A string; absent where the attribute is. */
  text(name: ByteString): ByteString | undefined {
    if (this.structured === undefined) return this.#drv.env.get(name);
    const value = this.structured.get(name);
    if (value !== undefined && typeof value !== "string") throw this.#wrong(name, "a string");
    return value;
  }

  /** JSON's true, or "1" in the environment; absent is false. */
  flag(name: ByteString): boolean {
    if (this.structured === undefined) return this.#drv.env.get(name) === "1";
    const value = this.structured.get(name) ?? false;
    if (typeof value !== "boolean") throw this.#wrong(name, "a boolean");
    return value;
  }

  /** An array of strings, or words between spaces in the environment; absent is empty. */
  words(name: ByteString): readonly ByteString[] {
    if (this.structured === undefined) return wordsOf(this.#drv.env.get(name) ?? "");
    const value: JsonValue = this.structured.get(name) ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string"))
      throw this.#wrong(name, "a list of strings");
    return value as readonly ByteString[];
  }

  #wrong(name: string, expected: string): GlueError {
    return new GlueError(
      "invalid-derivation",
      `attribute '${name}' of derivation '${this.#drv.name}' must be ${expected}`,
    );
  }
}

/** Words between spaces, tabs and line ends. */
export function wordsOf(text: ByteString): ByteString[] {
  return text.split(/[ \t\n\r]+/).filter((word) => word !== "");
}

/** The names of outputs whose contents are not to be searched for references (`unsafeDiscardReferences`). Throws `invalid-derivation`. */
export function discardingOutputs(drv: Derivation, { structured }: DerivationAttributes): ReadonlySet<string> {
  const names = new Set<string>();
  const value = structured?.get("unsafeDiscardReferences");
  if (value === undefined) return names;
  const entries = isJsonObject(value) ? [...value] : undefined;
  if (entries === undefined || entries.some(([, discards]) => typeof discards !== "boolean")) {
    const message = `attribute 'unsafeDiscardReferences' of derivation '${drv.name}' must be an object of booleans`;
    throw new GlueError("invalid-derivation", message);
  }
  for (const [name, discards] of entries) if (discards === true) names.add(name);
  return names;
}

/** Whether it wants the host's files and network (`__noChroot`). Throws `unsupported` where that is not `allowed`, in the words of C++ Nix. */
export function seesHost(drvPath: ByteString, attributes: DerivationAttributes, allowed: boolean): boolean {
  if (!attributes.flag("__noChroot")) return false;
  if (allowed) return true;
  const message = `derivation '${drvPath}' has '__noChroot' set, but that's not allowed when 'sandbox' is 'true'`;
  throw new GlueError("unsupported", message, { context: { feature: "__noChroot" } });
}

/** The attributes, after making sure that Firn can build such a derivation. Throws `unsupported` naming what it cannot, or `invalid-derivation`. */
export function checkBuildable(drv: Derivation): DerivationAttributes {
  const refuse = (feature: string) => {
    throw new GlueError("unsupported", `derivation '${drv.name}' uses ${feature}, which is not supported yet`, {
      context: { derivation: drv.name, feature },
    });
  };
  derivationKind(drv);
  for (const { kind, path } of drv.outputs.values()) {
    if (path === "" && (kind === "input-addressed" || kind === "fixed"))
      throw new GlueError("invalid-derivation", `derivation '${drv.name}' does not say where its outputs go`);
  }
  if (BUILTIN_BUILDERS.has(drv.builder)) return new DerivationAttributes(drv);
  if (drv.builder.startsWith("builtin:")) refuse(`the builder ${textOf(drv.builder)}`);
  if (!drv.builder.startsWith("/")) {
    throw new GlueError(
      "invalid-derivation",
      `the builder '${textOf(drv.builder)}' of derivation '${drv.name}' is not an absolute path`,
    );
  }
  const attributes = new DerivationAttributes(drv);
  if (attributes.words("__impureHostDeps").length > 0) refuse("__impureHostDeps");
  return attributes;
}
