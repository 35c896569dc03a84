/*
Paths with all they refer to brought into a store from others that offer them. Sources are asked in the order of their priorities; one that fails, lies or
is not trusted with a path is passed over for that path, so a cache that is down costs time and nothing else.

Everything is brought once however many ask for it at the same time. Contents of several paths travel at once, each path is registered when what it refers
to is, so what was stopped goes on where it was.
*/

import { FirnError, JobSlots, messageOf, mapConcurrently } from "@firn/base";
import { type CallOptions, type Lease, type Node, SingleFlight } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { closureOf } from "./closure.ts";
import { checkContentAddress } from "./content-check.ts";
import type { StoreServices } from "./copy-paths.ts";
import { StoreError } from "./error.ts";
import type { DescribedPath, PathInfo } from "./path-info.ts";
import type { Realisation } from "./realisation.ts";
import { pathInfoOf } from "./path-info-nar-info.ts";
import { sortedReferences } from "./path-info-rules.ts";
import { isTrusted, type TrustedKeys } from "./signing.ts";
import type { Offer, Substituter } from "./substituter.ts";

/** Paths on their way at the same time when nothing else is said, as in C++ Nix. */
const JOBS_MAX = 16;

export type SubstitutionParts = {
  readonly sources: readonly Substituter[];
  readonly to: StoreServices;
  /** Holds what is brought. */
  readonly lease: Lease | undefined;
  /** Whose signatures a path needs that does not follow from its contents; undefined: none are asked for. */
  readonly trusted: TrustedKeys | undefined;
  readonly storeDir?: string;
  readonly jobsMax?: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onEvent?: (event: SubstitutionEvent) => void;
};

/** `problem`: a source was passed over, for one path or altogether. */
export type SubstitutionEvent =
  | { readonly type: "started"; readonly path: StorePath; readonly source: string; readonly downloadBytes?: number }
  | { readonly type: "bytes"; readonly path: StorePath; readonly count: number }
  | { readonly type: "finished"; readonly path: StorePath; readonly source: string; readonly narSize: number }
  | { readonly type: "failed"; readonly path: StorePath; readonly source: string }
  | { readonly type: "problem"; readonly source: string; readonly message: string };

export class Substitution {
  readonly #parts: SubstitutionParts;
  readonly #slots: JobSlots;
  readonly #asking = new SingleFlight<string, Offered | undefined>();
  /** By path; they last until the path is registered, and are gone then or when it failed. */
  readonly #bringing = new SingleFlight<string, void>();
  readonly #ordering = new SingleFlight<"", readonly Substituter[]>();
  #sources: readonly Substituter[] | undefined;

  constructor(parts: SubstitutionParts) {
    this.#parts = parts;
    this.#slots = new JobSlots(parts.jobsMax ?? JOBS_MAX);
  }

  /**
   * Makes the paths registered. False, and nothing brought, when nobody offers one of them or of those they need. Throws the last problem when a path that was
   * offered could then be had from nobody; what came before stays.
   */
  async bring(paths: readonly StorePath[], options: CallOptions = {}): Promise<boolean> {
    const { to, lease } = this.#parts;
    const { signal } = options;
    const isThere = async (path: StorePath) =>
      (await to.pathInfos.get(path.hashPart, { signal, lease }))?.path.equals(path) === true;
    let missing: readonly Offered[];
    try {
      const get = (hashPart: string) => this.#offered(hashPart, signal);
      missing = await closureOf(paths, { get }, { signal, skip: isThere });
    } catch (thrown) {
      if (thrown instanceof StoreError && thrown.code === "missing") return false;
      throw thrown;
    }
    const joins = new Map<string, Join>();
    const begun: Promise<void>[] = [];
    for (const one of missing) {
      const before = one.references.flatMap((reference) => joins.get(reference.toString()) ?? []);
      const key = one.path.toString();
      const join: Join = (by) => {
        const brought = this.#bringing.run(key, (inner) => this.#bring(one, before, inner), by);
        brought.catch(() => undefined); // thrown where it is awaited
        return brought;
      };
      joins.set(key, join);
      begun.push(join(signal));
    }
    const failed = (await Promise.allSettled(begun)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
    return true;
  }

  /** What the preferred source has of a path, among those that are believed; nothing is brought. */
  async offer(path: StorePath, { signal }: CallOptions = {}): Promise<Offer | undefined> {
    const offered = await this.#offered(path.hashPart, signal);
    return offered?.path.equals(path) ? offered.offer : undefined;
  }

  /**
   * What an output came out as, by the first source that says it and is believed; its path is registered then. undefined when nobody does, or when the path
   * cannot be had.
   */
  async realisation(drvPath: StorePath, output: string, options: CallOptions = {}): Promise<Realisation | undefined> {
    const { signal } = options;
    for (const source of await this.#ordered(signal)) {
      try {
        const found = await source.realisation?.(drvPath, output, { signal });
        if (found === undefined) continue;
        const { trusted } = this.#parts;
        if (trusted !== undefined && !(await trusted.vouchFor(found)))
          throw new StoreError(
            "untrusted",
            `no trusted key signed what ${source.label} says ${drvPath}^${output} came out as`,
          );
        if (await this.bring([found.path], options)) return found;
      } catch (thrown) {
        this.#passOver(source.label, thrown, signal);
      }
    }
    return undefined;
  }

  /** What is offered by those who can be asked and are believed, the preferred first. */
  async #offered(hashPart: string, signal: AbortSignal | undefined): Promise<Offered | undefined> {
    return await this.#asking.run(
      hashPart,
      async (inner) => {
        const sources = await this.#ordered(inner);
        for (const [index, source] of sources.entries()) {
          const offer = await this.#ask(source, hashPart, inner);
          if (offer === undefined) continue;
          const { path, references } = offer.described;
          return { path, references, offer, others: sources.slice(index + 1) };
        }
        return undefined;
      },
      signal,
    );
  }

  /** A believable offer; undefined, and a problem told, where a source fails or offers what is not trusted. */
  async #ask(source: Substituter, hashPart: string, signal: AbortSignal): Promise<Offer | undefined> {
    try {
      const offer = await source.offer(hashPart, { signal });
      if (offer === undefined) return undefined;
      await this.#checkTrust(offer);
      return offer;
    } catch (thrown) {
      this.#passOver(source.label, thrown, signal);
      return undefined;
    }
  }

  async #checkTrust({ described, source }: Offer): Promise<void> {
    const { trusted, storeDir } = this.#parts;
    if (await isTrusted(described, trusted, storeDir)) return;
    const by = described.signatures.map(({ keyName }) => keyName).join(", ");
    throw new StoreError(
      "untrusted",
      `${described.path} is offered by ${source} without a signature by a trusted key (${by === "" ? "it has none" : `signed by ${by}`})`,
    );
  }

  async #bring(one: Offered, before: readonly Join[], signal: AbortSignal): Promise<void> {
    // On its own behalf, and not that of whoever began it, who may leave while others wait for this.
    const references = before.map((join) => join(signal));
    await this.#slots.take(signal);
    let info: PathInfo;
    try {
      const { to, lease } = this.#parts;
      const known = await to.pathInfos.get(one.path.hashPart, { signal, lease });
      if (known?.path.equals(one.path)) return; // another call was quicker
      info = await this.#take(one, signal);
    } finally {
      this.#slots.release();
    }
    await Promise.all(references);
    await this.#parts.to.pathInfos.put([info], { signal, lease: this.#parts.lease });
  }

  /** The contents, by whoever can bring them. */
  async #take({ offer, others }: Offered, signal: AbortSignal): Promise<PathInfo> {
    const { path } = offer.described;
    let problem: unknown;
    const next = others.values();
    for (let from: Offer | undefined = offer; from !== undefined; ) {
      try {
        return await this.#takeFrom(from, signal);
      } catch (thrown) {
        this.#parts.onEvent?.({ type: "failed", path, source: from.source });
        this.#passOver(from.source, thrown, signal);
        problem = thrown;
      }
      from = undefined;
      for (const source of next) {
        const other = await this.#ask(source, path.hashPart, signal);
        // What it refers to is on its way as the first offer says: another one has to say the same.
        if (other === undefined || !sameReferences(other.described, offer.described)) continue;
        from = other;
        break;
      }
    }
    throw problem;
  }

  async #takeFrom(offer: Offer, signal: AbortSignal): Promise<PathInfo> {
    const { to, lease, storeDir, now, onEvent } = this.#parts;
    const { described, source, downloadBytes } = offer;
    const { path, narSize } = described;
    onEvent?.({ type: "started", path, source, downloadBytes });
    const onBytes = (count: number) => onEvent?.({ type: "bytes", path, count });
    const node: Node = await offer.take(to, { signal, lease, onBytes });
    const info = pathInfoOf(described, node, Math.floor(now() / 1000));
    await checkContentAddress(info, to, { signal, storeDir, narIsVerified: true });
    onEvent?.({ type: "finished", path, source, narSize });
    return info;
  }

  /** Those that answer, by priority. They are asked once. */
  async #ordered(signal: AbortSignal | undefined): Promise<readonly Substituter[]> {
    this.#sources ??= await this.#ordering.run("", (inner) => this.#order(inner), signal);
    return this.#sources;
  }

  async #order(signal: AbortSignal): Promise<readonly Substituter[]> {
    const ask = async (source: Substituter) => {
      try {
        return [{ source, priority: await source.priority({ signal }) }];
      } catch (thrown) {
        this.#passOver(source.label, thrown, signal);
        return [];
      }
    };
    const answers = await mapConcurrently(this.#parts.sources, JOBS_MAX, ask, signal);
    const byPriority = answers.flat().sort((left, right) => left.priority - right.priority);
    return byPriority.map(({ source }) => source);
  }

  #passOver(source: string, thrown: unknown, signal: AbortSignal | undefined): void {
    if (signal?.aborted || !(thrown instanceof FirnError)) throw thrown;
    this.#parts.onEvent?.({ type: "problem", source, message: messageOf(thrown) });
  }
}

/** Waits for a path that is on its way, until the signal fires. */
type Join = (by: AbortSignal | undefined) => Promise<void>;

type Offered = {
  readonly path: StorePath;
  readonly references: readonly StorePath[];
  readonly offer: Offer;
  /** Who is to be asked when this one fails. */
  readonly others: readonly Substituter[];
};

function sameReferences(left: DescribedPath, right: DescribedPath): boolean {
  const text = ({ references }: DescribedPath) => sortedReferences(references).join(" ");
  return left.path.equals(right.path) && text(left) === text(right);
}
