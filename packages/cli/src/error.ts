/*
What can go wrong in the command line itself, and which exit code everything that goes wrong ends in. The codes are part of the
interface (docs/cli.md): scripts branch on them, so none is ever reused for something else.
*/

import { FirnError } from "@firn/base";

/**
 * - `usage`: the command line was not understood.
 * - `configuration`: an environment variable holds what it cannot.
 * - `not-found`: a file or store path that was named is not there.
 * - `invalid-target`: what was named is not of the kind the command works on.
 * - `result-link`: a link to a result could not be made.
 * - `profile`: a profile could not be read or changed.
 * - `build`: a build failed; the exit code says in which way.
 * - `substitution`: a binary cache offered a path and then could not bring it.
 * - `unsupported`: this machine cannot do it.
 */
export type CliErrorCode =
  | "usage"
  | "configuration"
  | "not-found"
  | "invalid-target"
  | "result-link"
  | "profile"
  | "build"
  | "substitution"
  | "unsupported";

export class CliError extends FirnError<CliErrorCode> {}

/** Exit codes; those of failed builds are C++ Nix's. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  buildFailed: 100,
  buildTimedOut: 101,
  hashMismatch: 102,
  /** A build that was checked came out differently. */
  notReproducible: 104,
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;

/** The reason an AbortSignal fires with when the user or the system asked Firn to stop. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: number;

  constructor(signal: "SIGINT" | "SIGTERM" | "SIGHUP") {
    super("interrupted");
    this.exitCode = signal === "SIGINT" ? EXIT.interrupted : signal === "SIGTERM" ? EXIT.terminated : 129;
  }
}

/** A failed build, after everything about it was reported, or with the message that is left to say. */
export class BuildFailed extends CliError {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super("build", message);
    this.exitCode = exitCode;
  }
}
