/*
Services opened as a description says (composition-document.ts): each named instance once, when it is first needed, shared by all that name it, and
wrapped so that its errors carry its name. Closing the composition closes what was opened, last first.
*/

import type { BlobService } from "./blob-service.ts";
import { type Instance, type Reference, ROOT_NAME, readComposition, readServiceUrl } from "./composition-document.ts";
import type { DirectoryService } from "./directory-service.ts";
import { CastoreError } from "./error.ts";
import { InterceptedBlobs, InterceptedDirectories, type Interceptor } from "./intercept.ts";
import { naming } from "./named.ts";
import type { OpenContext, ServiceRegistry } from "./service-type.ts";
import { type ServiceEvent, tracing } from "./trace.ts";

/** How services of a kind are wrapped. */
export type Wrap = (service: unknown, interceptor: Interceptor) => unknown;

/** By kind; store adds its own. */
export const CASTORE_WRAPS: Readonly<Record<string, Wrap>> = {
  blobservices: (service, interceptor) => new InterceptedBlobs(service as BlobService, interceptor),
  directoryservices: (service, interceptor) => new InterceptedDirectories(service as DirectoryService, interceptor),
};

/** A service that sent another one what that had not asked for. */
export type Lie = {
  /** What people know it by: its name, and the address behind it. */
  readonly liar: string;
  readonly found: Error;
};

export type CompositionOptions = {
  readonly registry: ServiceRegistry;
  readonly wraps: Readonly<Record<string, Wrap>>;
  /** Gets an event for every call of every instance. */
  readonly trace?: { readonly sink: (event: ServiceEvent) => void; readonly now: () => number };
  /** Told when a peer is found to lie, which is then not asked any more. */
  readonly onLie?: (lie: Lie) => void;
  /** What errors are said to come from, for a composition of which nobody wrote the names; else it is the instance. */
  readonly label?: string;
  readonly signal?: AbortSignal;
};

export class Composition implements AsyncDisposable {
  readonly #instances: ReadonlyMap<string, Instance>;
  readonly #options: CompositionOptions;
  readonly #opening = new Map<string, Promise<unknown>>();
  readonly #shared = new Map<string, Promise<AsyncDisposable>>();
  #isClosed = false;

  /** Checks the document (a parsed TOML file, for example), opens nothing. Throws `composition`. */
  constructor(document: unknown, options: CompositionOptions) {
    this.#instances = readComposition(document, options.registry);
    this.#options = options;
  }

  /** Whether it has services of a kind. */
  has(kind: string): boolean {
    return this.#instances.has(`${kind}.${ROOT_NAME}`);
  }

  /** The instance of a kind, opened now if it was not. The composition closes it. */
  async open(kind: string, name = ROOT_NAME): Promise<unknown> {
    const instance = this.#instances.get(`${kind}.${name}`);
    if (instance === undefined) throw new CastoreError("composition", `${kind} has no instance '${name}'`);
    return this.#openInstance(instance);
  }

  /** An instance that is not part of the document but may refer to it. */
  async openUrl(kind: string, url: string): Promise<unknown> {
    return this.#openInstance(readServiceUrl(kind, url, this.#options.registry));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#opening.values());
    const shared = [...this.#shared.values()].reverse();
    this.#shared.clear();
    this.#opening.clear();
    let failure: { readonly thrown: unknown } | undefined;
    for (const one of shared) {
      const opened = await one.catch(() => undefined);
      try {
        await opened?.[Symbol.asyncDispose]();
      } catch (thrown) {
        failure ??= { thrown };
      }
    }
    if (failure !== undefined) throw failure.thrown;
  }

  #openInstance(instance: Instance): Promise<unknown> {
    if (this.#isClosed) throw new CastoreError("closed", "the composition is closed");
    const key = `${instance.kind}.${instance.name}`;
    const isNamed = this.#instances.get(key) === instance;
    let opening = isNamed ? this.#opening.get(key) : undefined;
    if (opening === undefined) {
      opening = this.#make(instance);
      if (isNamed) this.#opening.set(key, opening);
    }
    return opening;
  }

  async #make(instance: Instance): Promise<unknown> {
    const { kind, name, type } = instance;
    const fields: Record<string, unknown> = { ...instance.fields };
    for (const [field, { is, of }] of Object.entries(type.fields)) {
      const value = fields[field];
      if (value === undefined) continue;
      if (is === "service") fields[field] = await this.#resolve(value as Reference, of ?? kind);
      if (is === "services") {
        const services: unknown[] = [];
        for (const one of value as Reference[]) services.push(await this.#resolve(one, of ?? kind));
        fields[field] = services;
      }
    }
    const context: OpenContext = {
      name,
      shared: (key, open) => this.#share(key, open),
      signal: this.#options.signal,
      onLie: (field, service, found) => {
        const reference = (instance.fields[field] as readonly Reference[])[service];
        this.#options.onLie?.({ liar: this.#labelOf(reference, type.fields[field].of ?? kind), found });
      },
    };
    return this.#wrapped(await type.open(fields, context), kind, name);
  }

  #resolve(reference: Reference, kind: string): Promise<unknown> {
    return typeof reference === "string" ? this.open(kind, reference) : this.#openInstance(reference);
  }

  #labelOf(reference: Reference, kind: string): string {
    const found = (one: unknown) =>
      typeof one === "string" ? this.#instances.get(`${kind}.${one}`) : (one as Instance | undefined);
    const name = found(reference)?.name ?? "";
    // What stands before it, such as `retry`, has no address of its own.
    for (let at = found(reference); at !== undefined; at = found(at.fields.inner)) {
      const { url } = at.fields;
      if (typeof url === "string") return name.includes(url) ? name : `${name} (${url})`;
    }
    return name;
  }

  #wrapped(service: unknown, kind: string, name: string): unknown {
    const { wraps, trace, label = `${kind} '${name}'` } = this.#options;
    const wrap = wraps[kind];
    const named = wrap(service, naming(label));
    return trace === undefined ? named : wrap(named, tracing({ instance: `${kind}.${name}`, ...trace }));
  }

  async #share<T extends AsyncDisposable>(key: string, open: () => Promise<T> | T): Promise<T> {
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = (async () => open())();
      this.#shared.set(key, shared);
    }
    return (await shared) as T;
  }
}
