/*
What goes wrong, across a connection: errors of the rooms below become gRPC's statuses, and, told exactly in the metadata `firn-error`, become the same errors
on the other side. From other servers there is only the status.
*/

import { FirnError } from "@firn/base";
import { BuildError, type BuildErrorCode } from "@firn/build";
import { CastoreError, type CastoreErrorCode } from "@firn/castore";
import { StoreError, type StoreErrorCode } from "@firn/store";
import { ProtocolError, type ProtocolErrorCode } from "./error.ts";

/** Longest message of an error that is sent, in characters. */
const MESSAGE_CHARS_MAX = 2000;

const CASTORE_STATUS: Readonly<Record<CastoreErrorCode, ProtocolErrorCode>> = {
  "invalid-name": "invalid-argument",
  "invalid-target": "invalid-argument",
  "invalid-digest": "invalid-argument",
  "invalid-directory": "invalid-argument",
  malformed: "invalid-argument",
  corrupt: "data-loss",
  missing: "not-found",
  "invalid-graph": "invalid-argument",
  "unsupported-file": "failed-precondition",
  changed: "aborted",
  closed: "failed-precondition",
  limit: "resource-exhausted",
  composition: "internal",
  unsupported: "failed-precondition",
  storage: "internal",
};

const STORE_STATUS: Readonly<Record<StoreErrorCode, ProtocolErrorCode>> = {
  "invalid-path-info": "invalid-argument",
  "invalid-realisation": "invalid-argument",
  missing: "not-found",
  mismatch: "data-loss",
  malformed: "invalid-argument",
  conflict: "already-exists",
  untrusted: "permission-denied",
  "invalid-root": "invalid-argument",
  busy: "aborted",
  limit: "resource-exhausted",
  unsupported: "failed-precondition",
  closed: "failed-precondition",
  storage: "internal",
};

const BUILD_STATUS: Readonly<Record<BuildErrorCode, ProtocolErrorCode>> = {
  "invalid-recipe": "invalid-argument",
  "missing-input": "failed-precondition",
  unsupported: "failed-precondition",
  sandbox: "internal",
  storage: "internal",
  "unknown-attempt": "not-found",
};

/** What is told of a failure. `detail` is `room:code`. */
export type SentStatus = { readonly code: ProtocolErrorCode; readonly message: string; readonly detail?: string };

/** The status of whatever was thrown. What is a bug of the server is not told in detail. */
export function statusOf(thrown: unknown): SentStatus {
  if (!(thrown instanceof FirnError)) return { code: "internal", message: "the server failed" };
  const message = thrown.message.slice(0, MESSAGE_CHARS_MAX);
  if (thrown instanceof ProtocolError) return { code: thrown.code, message };
  if (thrown instanceof CastoreError)
    return { code: CASTORE_STATUS[thrown.code], message, detail: `castore:${thrown.code}` };
  if (thrown instanceof StoreError) return { code: STORE_STATUS[thrown.code], message, detail: `store:${thrown.code}` };
  if (thrown instanceof BuildError) return { code: BUILD_STATUS[thrown.code], message, detail: `build:${thrown.code}` };
  return { code: "internal", message };
}

/** The error of a status that a server sent. */
export function errorOfStatus({ code, message, detail }: SentStatus): ProtocolError {
  return new ProtocolError(code, message === "" ? `the server answered ${code}` : message, {
    context: detail === undefined ? {} : { detail },
    retryable: code === "unavailable" || code === "aborted",
  });
}

const CASTORE_CODE: Partial<Record<ProtocolErrorCode, CastoreErrorCode>> = {
  "not-found": "missing",
  "data-loss": "corrupt",
  "resource-exhausted": "limit",
  unimplemented: "unsupported",
};

const STORE_CODE: Partial<Record<ProtocolErrorCode, StoreErrorCode>> = {
  "not-found": "missing",
  "resource-exhausted": "limit",
  "already-exists": "conflict",
  "permission-denied": "untrusted",
  unimplemented: "unsupported",
};

/** A failed call as castore's error; what is none of protocol's passes. */
export function castoreErrorOf(thrown: unknown): unknown {
  if (!(thrown instanceof ProtocolError)) return thrown;
  const code = detailOf(thrown, "castore", CASTORE_STATUS) ?? CASTORE_CODE[thrown.code] ?? "storage";
  return new CastoreError(code, thrown.message, { cause: thrown, retryable: thrown.retryable });
}

/** A failed call as store's error; what is none of protocol's passes. */
export function storeErrorOf(thrown: unknown): unknown {
  if (!(thrown instanceof ProtocolError)) return thrown;
  if (detailOf(thrown, "castore", CASTORE_STATUS) !== undefined) return castoreErrorOf(thrown);
  const code = detailOf(thrown, "store", STORE_STATUS) ?? STORE_CODE[thrown.code] ?? "storage";
  return new StoreError(code, thrown.message, { cause: thrown, retryable: thrown.retryable });
}

/** A failed call as build's error; what is none of protocol's passes. */
export function buildErrorOf(thrown: unknown): unknown {
  if (!(thrown instanceof ProtocolError)) return thrown;
  const code =
    detailOf(thrown, "build", BUILD_STATUS) ?? (thrown.code === "invalid-argument" ? "invalid-recipe" : "sandbox");
  return new BuildError(code, thrown.message, { cause: thrown, retryable: thrown.retryable });
}

function detailOf<Code extends string>(
  { context }: ProtocolError,
  room: string,
  known: Readonly<Record<Code, unknown>>,
): Code | undefined {
  const [said, code] = String(context.detail ?? "").split(":");
  return said === room && Object.hasOwn(known, code) ? (code as Code) : undefined;
}
