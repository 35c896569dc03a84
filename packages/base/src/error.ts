/*
The shape every Firn error has. Each room has exactly one error class, a subclass of this one with a closed
union of codes, so that tests and callers branch on `code` and never on text. The message says what was
expected, where, and what to do; `context` carries the facts a machine wants (path, limit, digest).

An assertion failure is not one of these: it is a bug, see assert.ts.
*/

/** The facts of an error, for JSON output and logs. Values are plain, never secrets. */
export type ErrorContext = Readonly<Record<string, string | number | boolean>>;

export type ErrorOptions = {
  readonly context?: ErrorContext;
  readonly cause?: unknown;
  /** True when the same call may succeed later without anything being mended (a lost connection, a full queue). */
  readonly retryable?: boolean;
};

/** An expected failure with a stable code. */
export class FirnError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly context: ErrorContext;
  readonly retryable: boolean;

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.context = options.context ?? {};
    this.retryable = options.retryable ?? false;
  }
}

/** The message of anything thrown, for messages that quote a foreign failure. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
