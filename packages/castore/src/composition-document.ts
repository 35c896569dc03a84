/*
A description of services, read and checked before anything is opened: tables of named instances by kind, as from a TOML file.

    [blobservices.root]
    type = "cache"
    near = "disk"
    far = "objectstore+file:///mnt/blobs"

Every field must be known to its type, every name must be there, no instance may need itself. What is wrong is said with the place and, for a name that
is nearly right, the right one.
*/

import { closestNames } from "@firn/base";
import { CastoreError } from "./error.ts";
import type { FieldSpec, FieldValues, ServiceRegistry, ServiceType, ServiceUrl } from "./service-type.ts";

/** The instance that is meant when none is named. */
export const ROOT_NAME = "root";
const INSTANCES_MAX = 1000;
const URL_DEPTH_MAX = 8;
const URL_CHARS_MAX = 16 * 1024;

/** An instance of a document: its type, and its fields, in which services are still references. */
export type Instance = {
  readonly kind: string;
  readonly name: string;
  readonly type: ServiceType;
  readonly fields: FieldValues;
};

/** A reference to an instance: its name, or an instance of its own. */
export type Reference = string | Instance;

/** Checks a whole document. Yields its instances by `kind.name`; every kind has one named `root`, but those a composition may be without. */
export function readComposition(document: unknown, registry: ServiceRegistry): ReadonlyMap<string, Instance> {
  const { kinds } = registry;
  const instances = new Map<string, Instance>();
  for (const [kind, table] of entriesOf(document, "the composition")) {
    if (!kinds.includes(kind)) throw unknown("a table", kind, kinds, "the composition");
    for (const [name, fields] of entriesOf(table, kind)) {
      if (instances.size >= INSTANCES_MAX)
        throw new CastoreError("limit", `a composition has more than ${INSTANCES_MAX} instances`);
      if (name.includes(":")) throw wrong(`${kind}.${name}`, "a name with a colon would be taken for a URL");
      instances.set(`${kind}.${name}`, readInstance(kind, name, fields, registry));
    }
  }
  for (const kind of kinds) {
    if (registry.optionalKinds.includes(kind) && !Object.hasOwn(document as object, kind)) continue;
    if (!instances.has(`${kind}.${ROOT_NAME}`))
      throw wrong(kind, `an instance named '${ROOT_NAME}' is missing: [${kind}.${ROOT_NAME}]`);
  }
  const checked = new Set<Instance>();
  for (const instance of instances.values()) checkReferences(instance, instances, [], checked);
  return instances;
}

/** Reads a URL such as `cache://?near=memory://&far=disk` as an instance of the kind. */
export function readServiceUrl(kind: string, text: string, registry: ServiceRegistry, depth = 0): Instance {
  if (text.length > URL_CHARS_MAX || depth > URL_DEPTH_MAX)
    throw new CastoreError(
      "limit",
      `the URL of a service is longer than ${URL_CHARS_MAX} characters, or holds more than ${URL_DEPTH_MAX} URLs in one another`,
    );
  const where = `${kind} '${text.slice(0, 200)}'`;
  const parts = /^([a-z][a-z0-9-]*)(?:\+([a-z][a-z0-9+-]*))?:([^?]*)(?:\?(.*))?$/s.exec(text);
  if (parts === null) throw wrong(where, "expected a URL, type:place or type://place?field=value");
  const [, name, variant = "", place, query = ""] = parts;
  const type = findType(kind, name, registry, where);
  const url: ServiceUrl = { type: name, variant, place: decoded(place.replace(/^\/\//, ""), where) };
  if (type.ofUrl === undefined && (url.place !== "" || variant !== ""))
    throw wrong(where, `'${name}' takes no place, only fields: ${name}://?field=value`);
  const fields: Record<string, unknown> = { ...type.ofUrl?.(url) };
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const field = decoded(equals < 0 ? pair : pair.slice(0, equals), where);
    if (Object.hasOwn(fields, field)) throw wrong(where, `${field} is given twice`);
    fields[field] = ofText(decoded(equals < 0 ? "" : pair.slice(equals + 1), where), fieldOf(type, field, where));
  }
  return { kind, name: text, type, fields: readFields(type, fields, registry, where, depth + 1) };
}

function readInstance(kind: string, name: string, table: unknown, registry: ServiceRegistry): Instance {
  const where = `${kind}.${name}`;
  const { type: typeName, ...fields } = Object.fromEntries(entriesOf(table, where)) as Record<string, unknown>;
  if (typeof typeName !== "string") throw wrong(where, 'a type is missing: type = "…"');
  const type = findType(kind, typeName, registry, where);
  return { kind, name, type, fields: readFields(type, fields, registry, where, 0) };
}

function findType(kind: string, name: string, registry: ServiceRegistry, where: string): ServiceType {
  const type = registry.find(kind, name);
  if (type === undefined) throw unknown("a type", name, registry.typesOf(kind), where);
  return type;
}

function fieldOf(type: ServiceType, name: string, where: string): FieldSpec {
  if (Object.hasOwn(type.fields, name)) return type.fields[name];
  throw unknown(`a field of '${type.type}'`, name, Object.keys(type.fields), where);
}

function readFields(
  type: ServiceType,
  given: Readonly<Record<string, unknown>>,
  registry: ServiceRegistry,
  where: string,
  depth: number,
): FieldValues {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const spec = fieldOf(type, name, where);
    fields[name] = readField(value, spec, spec.of ?? type.kind, registry, `${where}: ${name}`, depth);
  }
  for (const [name, { optional }] of Object.entries(type.fields)) {
    if (optional !== true && fields[name] === undefined) throw wrong(where, `'${type.type}' needs the field ${name}`);
  }
  return fields;
}

function readField(
  value: unknown,
  spec: FieldSpec,
  kind: string,
  registry: ServiceRegistry,
  where: string,
  depth: number,
): unknown {
  switch (spec.is) {
    case "text":
      if (typeof value === "string") return value;
      throw wrong(where, "expected a string");
    case "texts":
      if (isTexts(value)) return value;
      throw wrong(where, "expected a list of strings");
    case "texts by name":
      if (entriesOf(value, where).every(([, one]) => typeof one === "string")) return value;
      throw wrong(where, "expected a table of strings");
    case "count": {
      const count = typeof value === "bigint" ? Number(value) : value;
      if (typeof count === "number" && Number.isSafeInteger(count) && count >= 1) return count;
      throw wrong(where, "expected an integer from 1");
    }
    case "flag":
      if (typeof value === "boolean") return value;
      throw wrong(where, "expected true or false");
    case "service":
      if (typeof value === "string") return reference(value, kind, registry, depth);
      throw wrong(where, "expected the name of an instance, or a URL");
    case "services":
      if (isTexts(value) && value.length > 0) return value.map((one) => reference(one, kind, registry, depth));
      throw wrong(where, "expected a list of names of instances, or URLs");
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function reference(text: string, kind: string, registry: ServiceRegistry, depth: number): Reference {
  return text.includes(":") ? readServiceUrl(kind, text, registry, depth) : text;
}

/** A value of a URL's query as its field wants it. Lists are separated by spaces. */
function ofText(text: string, { is }: FieldSpec): unknown {
  if (is === "texts" || is === "services") return text.split(" ").filter((one) => one !== "");
  if (is === "count") return /^[0-9]+$/.test(text) ? Number(text) : text;
  if (is === "flag") return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
  return text;
}

/** The instances that one needs directly, with the kind they are looked for in. */
function referencesOf(instance: Instance): { readonly kind: string; readonly reference: Reference }[] {
  const found: { kind: string; reference: Reference }[] = [];
  for (const [name, value] of Object.entries(instance.fields)) {
    const { is, of } = instance.type.fields[name];
    const kind = of ?? instance.type.kind;
    if (is === "service") found.push({ kind, reference: value as Reference });
    if (is === "services") for (const one of value as Reference[]) found.push({ kind, reference: one });
  }
  return found;
}

/** Follows all references of an instance; `checked` are those that were found good. */
function checkReferences(
  instance: Instance,
  instances: ReadonlyMap<string, Instance>,
  above: readonly string[],
  checked: Set<Instance>,
): void {
  if (checked.has(instance)) return;
  const own = `${instance.kind}.${instance.name}`;
  const stack = [...above, own];
  if (above.includes(own)) throw wrong(own, `needs itself: ${stack.slice(above.indexOf(own)).join(" -> ")}`);
  for (const { kind, reference: one } of referencesOf(instance)) {
    const target = typeof one === "string" ? instances.get(`${kind}.${one}`) : one;
    if (target === undefined) {
      const names = [...instances.values()].filter((other) => other.kind === kind).map(({ name }) => name);
      throw unknown(`an instance of ${kind}`, String(one), names, own);
    }
    checkReferences(target, instances, stack, checked);
  }
  checked.add(instance);
}

function entriesOf(value: unknown, where: string): [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw wrong(where, "expected a table");
}

function decoded(text: string, where: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(where, "a percent sign that begins no escape");
  }
}

function unknown(what: string, name: string, known: readonly string[], where: string): CastoreError {
  const hint = closestNames(name, known) || (known.length > 0 ? `Known are: ${[...known].sort().join(", ")}.` : "");
  return wrong(where, `'${name.slice(0, 200)}' is not ${what}. ${hint}`.trim());
}

function wrong(where: string, what: string): CastoreError {
  return new CastoreError("composition", `${where}: ${what}`);
}
