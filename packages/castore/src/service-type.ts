/*
What a composition can be made of: types of services by kind and name, each with the fields it takes. A room that has a backend or combinator
describes it here; whoever composes (the command line) puts the descriptions it wants into one registry. Nothing in here knows any backend.
*/

import { CastoreError } from "./error.ts";

/**
 * - `text`, `texts`: a string, a list of strings. - `count`: an integer from 1. - `flag`: true or false. - `texts by name`: a table of strings.
 * - `service`, `services`: another instance of the kind `of`, by its name, as a URL, or (where that is possible) written in place.
 */
export type FieldSpec = {
  readonly is: "text" | "texts" | "texts by name" | "count" | "flag" | "service" | "services";
  /** The kind of a service; that of the type itself when not said. */
  readonly of?: string;
  /** Absent fields are refused unless it is true. */
  readonly optional?: boolean;
};

/** What opening an instance may use besides its fields. */
export type OpenContext = {
  /** The instance's name, or its URL. */
  readonly name: string;
  /** A thing that several instances share, a database for example: opened once per key, closed with the composition. */
  readonly shared: <T extends AsyncDisposable>(key: string, open: () => Promise<T> | T) => Promise<T>;
  readonly signal: AbortSignal | undefined;
  /** To be told when one of the services in a field, by its number from 0, sent what was not asked for. */
  readonly onLie: (field: string, service: number, found: Error) => void;
};

/** Fields after checking: services are opened ones, the rest as written. */
export type FieldValues = Readonly<Record<string, unknown>>;

/** A URL taken apart: `type+variant://place?name=value`, or `type:place`. */
export type ServiceUrl = { readonly type: string; readonly variant: string; readonly place: string };

export type ServiceType = {
  /** Table of the document it stands in, such as `blobservices`. */
  readonly kind: string;
  readonly type: string;
  readonly fields: Readonly<Record<string, FieldSpec>>;
  /** Fields that a URL's place stands for; without it a URL has none. The query gives fields by name. */
  readonly ofUrl?: (url: ServiceUrl) => FieldValues;
  readonly open: (fields: FieldValues, context: OpenContext) => unknown;
};

/** A type whose fields `open` sees by their types. */
export function defineServiceType<Fields>(
  type: Omit<ServiceType, "open"> & { readonly open: (fields: Fields, context: OpenContext) => unknown },
): ServiceType {
  return type as unknown as ServiceType;
}

/** The types a composition may use. */
export class ServiceRegistry {
  readonly #types = new Map<string, Map<string, ServiceType>>();
  /** Kinds that a composition may be without. */
  readonly optionalKinds: readonly string[];

  constructor(types: Iterable<ServiceType>, optionalKinds: readonly string[] = []) {
    this.optionalKinds = optionalKinds;
    for (const type of types) {
      const ofKind = this.#types.get(type.kind) ?? new Map<string, ServiceType>();
      if (ofKind.has(type.type)) throw new CastoreError("composition", `two types '${type.type}' of ${type.kind}`);
      ofKind.set(type.type, type);
      this.#types.set(type.kind, ofKind);
    }
  }

  get kinds(): readonly string[] {
    return [...this.#types.keys()];
  }

  typesOf(kind: string): readonly string[] {
    return [...(this.#types.get(kind)?.keys() ?? [])];
  }

  find(kind: string, type: string): ServiceType | undefined {
    return this.#types.get(kind)?.get(type);
  }
}
