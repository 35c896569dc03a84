/*
`--diagnostics FORMAT`, the one flag that all commands have: it decides how a mistake in the rest of the command line is told, so it is looked for
before that is understood.
*/

import type { DiagnosticFormat } from "./diagnostic.ts";
import { CliError } from "./error.ts";

const FLAG = "--diagnostics";

/** The command line without the flag. What comes after `run` or `--` belongs to others. Throws `usage`. */
export function takeDiagnosticsFlag(argv: readonly string[]): {
  readonly argv: readonly string[];
  readonly format: DiagnosticFormat;
} {
  for (const [at, word] of argv.entries()) {
    if (word === "--" || word === "run") break;
    const isJoined = word.startsWith(`${FLAG}=`);
    if (word !== FLAG && !isJoined) continue;
    const value = isJoined ? word.slice(FLAG.length + 1) : argv[at + 1];
    if (value !== "json" && value !== "text")
      throw new CliError("usage", `${FLAG} is text or json, got ${value === undefined ? "nothing" : `'${value}'`}`);
    return { argv: argv.toSpliced(at, isJoined ? 1 : 2), format: value };
  }
  return { argv, format: "text" };
}
