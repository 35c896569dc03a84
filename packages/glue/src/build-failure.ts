/*
Failures of building in glue's own error: an attempt that did not succeed in words for people (those of C++ Nix where it has some), and
what other rooms throw about a derivation's contents. What is nobody's derivation's fault, a full disk say, is not translated.
*/

import { type ByteString, FirnError, textOf } from "@firn/base";
import { type AttemptEnd, BuildError, describeEnd } from "@firn/build";
import { NixCompatError } from "@firn/nix-compat";
import { GlueError } from "./error.ts";

/** The error for a derivation whose attempt ended like this; `tail` are the last lines of its log. */
export function buildFailure(
  drvPath: ByteString,
  name: string,
  end: AttemptEnd,
  tail: readonly ByteString[],
): GlueError {
  const lines = tail.map((line) => `> ${textOf(line)}`);
  const log = lines.length === 0 ? "" : `;\nlast ${lines.length} log lines:\n${lines.join("\n")}`;
  return new GlueError(
    end.reason === "cancelled" ? "cancelled" : "build-failed",
    `builder for '${drvPath}' ${describeEnd(end)}${log}`,
    {
      context: { derivation: name, reason: end.reason, log: lines.join("\n") },
      retryable: end.reason === "infrastructure",
    },
  );
}

/** What was thrown about this derivation as a GlueError; undefined when it is not about the derivation. */
export function derivationFailure(drvPath: ByteString, thrown: unknown): GlueError | undefined {
  if (thrown instanceof GlueError) return thrown;
  if (!(thrown instanceof FirnError)) return undefined;
  const code = codeOf(thrown);
  return (
    code &&
    new GlueError(code, `derivation '${drvPath}': ${thrown.message}`, { context: thrown.context, cause: thrown })
  );
}

function codeOf(error: FirnError): GlueError["code"] | undefined {
  if (error instanceof NixCompatError)
    return error.code === "unsupported-derivation" ? "unsupported" : "invalid-derivation";
  if (!(error instanceof BuildError)) return undefined;
  if (error.code === "invalid-recipe") return "invalid-derivation";
  return error.code === "missing-input" || error.code === "unsupported" ? error.code : undefined;
}
