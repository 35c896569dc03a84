/*
What the programs that stand in for Nix's say of a command line they do not understand, and how they end.
*/

import { CliError, EXIT } from "../error.ts";
import { EvalFailure } from "../evaluator/host.ts";
import { type Report, reportOf } from "../report.ts";

/** A command line that is not understood; exit code 1, unlike Firn's own. */
export class UsageError extends CliError {
  constructor(message: string) {
    super("usage", message);
  }
}

/** What to say about something thrown, and the exit code: 1 for wrong usage too, unlike Firn's own commands. */
export function endOf(program: string, thrown: unknown, debug: boolean): Report {
  const report = reportOf(thrown, debug);
  // Some mistakes of a program in the language count as wrong usage too.
  const isUsage = thrown instanceof UsageError || (thrown instanceof EvalFailure && thrown.data.code === "usage");
  if (!isUsage) return report;
  return { text: `${report.text}\nTry '${program} --help' for more information.`, exitCode: EXIT.error };
}
