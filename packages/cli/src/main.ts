/* The command begins here. */

import { takeDiagnosticsFlag } from "./diagnostics-flag.ts";
import { runProcess } from "./process.ts";
import { runCommandLine } from "./program.ts";
import { reportOf } from "./report.ts";

void runProcess({
  run: (given, session) => {
    const { argv, format } = takeDiagnosticsFlag(given);
    session.output.format = format;
    return runCommandLine(argv, session);
  },
  reportOf,
});
