/* How each program of compat/bin runs as a process: stderr as `--log-format` says, errors in Nix's words and with its exit codes. */

import process from "node:process";
import { EXIT } from "../error.ts";
import { runProcess } from "../process.ts";
import type { Session } from "../session.ts";
import { logFormatOf } from "./common-flags.ts";
import { endOf } from "./usage-error.ts";

/** What a program does with a command line (without its name). Yields the exit code, where there is more than one. */
export type Program = (
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
) => Promise<number> | Promise<void>;

/** Runs a program as this process and sets the process's exit code. */
export function runProgram(name: string, program: Program): Promise<void> {
  return runProcess({
    run: async (argv, session) => {
      session.output.format = logFormatOf(argv);
      return (await program(argv, process.env, session)) ?? EXIT.ok;
    },
    reportOf: (thrown, debug) => endOf(name, thrown, debug),
  });
}
