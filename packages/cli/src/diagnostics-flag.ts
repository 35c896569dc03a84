/*
`--diagnostics FORMAT`, the one flag that all commands have: it decides how a mistake in the rest of the command line is told, so it is looked for
before that is understood. `--log-format` is the same by the name Nix has for it, with the formats of Nix.
*/

import type { DiagnosticFormat } from "./diagnostic.ts";
import { CliError } from "./error.ts";

/** What each flag takes; those of Nix that are about its progress bar are text. */
const FORMATS: Readonly<Record<string, Readonly<Record<string, DiagnosticFormat>>>> = {
  "--diagnostics": { text: "text", json: "json" },
  "--log-format": {
    text: "text",
    json: "json",
    "internal-json": "internal-json",
    raw: "text",
    "raw-with-logs": "text",
    bar: "text",
    "bar-with-logs": "text",
  },
};

/** The command line without the flag. What comes after `run` or `--` belongs to others. Throws `usage`. */
export function takeDiagnosticsFlag(argv: readonly string[]): {
  readonly argv: readonly string[];
  readonly format: DiagnosticFormat;
} {
  for (const [at, word] of argv.entries()) {
    if (word === "--" || word === "run") break;
    const [flag, joined] = word.split("=", 2);
    if (!Object.hasOwn(FORMATS, flag)) continue;
    const value = joined ?? argv[at + 1];
    const formats = FORMATS[flag];
    if (value === undefined || !Object.hasOwn(formats, value)) {
      const got = value === undefined ? "nothing" : `'${value}'`;
      throw new CliError("usage", `${flag} is ${Object.keys(formats).slice(0, 3).join(" or ")}, got ${got}`);
    }
    return { argv: argv.toSpliced(at, joined === undefined ? 2 : 1), format: formats[value] };
  }
  return { argv, format: "text" };
}
