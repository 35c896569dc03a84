/*
What the programs that stand in for Nix's say of a command line they do not understand.
*/

import { CliError } from "../error.ts";

/** A command line that is not understood; exit code 1, unlike Firn's own. */
export class UsageError extends CliError {
  constructor(message: string) {
    super("usage", message);
  }
}
