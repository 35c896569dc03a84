/* Why a connection could not be made, or broke, in words for people: what systems and libraries say of it are codes, protocol by protocol the same. */

import { messageOf } from "./error.ts";

/** By the `code` of what was thrown. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOENT: "there is no such socket",
  ENOTFOUND: "there is no machine of that name",
  EAI_AGAIN: "its name cannot be looked up at the moment",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  ETIMEDOUT: "it does not answer",
  EPIPE: "it hung up",
  ECONNRESET: "it hung up",
  EPROTO: "what listens there does not speak TLS",
};
/** Of connections that ended before TLS began, which have the code of those that end at any time. */
const BEFORE_TLS = /before secure TLS connection/;
/** An answer in another protocol, as the parsers of HTTP/2 and HTTP/1.1 say it. */
const OTHER_PROTOCOL = /^Protocol error$|^Parse Error/;

/** The reason, with what was said of it in parentheses; that alone where it is not known. */
export function connectionFailure(thrown: unknown): string {
  // One for each address of the machine.
  const first = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  const said = messageOf(first);
  const reason = reasonOf(said, (first as { readonly code?: unknown } | undefined)?.code);
  return reason === undefined ? said : `${reason} (${said})`;
}

function reasonOf(said: string, code: unknown): string | undefined {
  if (BEFORE_TLS.test(said)) return "what listens there does not speak TLS";
  if (OTHER_PROTOCOL.test(said)) return "what listens there speaks something else";
  return typeof code === "string" && Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
}
