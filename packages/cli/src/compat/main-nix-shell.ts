/* compat/bin/nix-shell begins here. */

import { runNixShell } from "./nix-shell.ts";
import { runProgram } from "./program.ts";

void runProgram("nix-shell", runNixShell);
