/*
Who of several sources lied: what peer-blobs.ts and peer-directories.ts have in common. A source that sent what was not asked for is told of once and not asked again;
one that fails otherwise may be asked the next time.
*/

import { FirnError } from "@firn/base";
import { CastoreError } from "./error.ts";

/** Told, once for each, of a source that sent what was not asked for: its number from 0, and how that was found. Must not throw. */
export type OnLie = (source: number, found: Error) => void;

/** Codes of failures that no honest source has. */
const LIES: ReadonlySet<string> = new Set(["corrupt", "malformed", "invalid-graph"]);

export class Liars<Source> {
  readonly #sources: readonly Source[];
  readonly #onLie: OnLie | undefined;
  readonly #found = new Map<Source, CastoreError>();

  constructor(sources: readonly Source[], onLie: OnLie | undefined) {
    this.#sources = sources;
    this.#onLie = onLie;
  }

  /** Those that may be asked. */
  get honest(): readonly Source[] {
    return this.#sources.filter((source) => !this.#found.has(source));
  }

  /** Numbers, from 0, of the others. */
  get numbers(): readonly number[] {
    return this.#sources.flatMap((source, i) => (this.#found.has(source) ? [i] : []));
  }

  /** How they were found. */
  get failures(): readonly CastoreError[] {
    return [...this.#found.values()];
  }

  /** The failure with the source's number; a lie is remembered and told. What is no room's error is thrown as it is. */
  judged(source: Source, thrown: unknown): CastoreError {
    if (!(thrown instanceof FirnError)) throw thrown;
    const number = this.#sources.indexOf(source);
    const isLie = LIES.has(thrown.code);
    const where = `source ${number + 1} of ${this.#sources.length}`;
    const named = new CastoreError(isLie ? "corrupt" : "storage", `${where}: ${thrown.message}`, {
      cause: thrown,
      context: { ...thrown.context, source: number },
      retryable: thrown.retryable,
    });
    if (isLie && !this.#found.has(source)) {
      this.#found.set(source, named);
      this.#onLie?.(number, named);
    }
    return named;
  }
}
