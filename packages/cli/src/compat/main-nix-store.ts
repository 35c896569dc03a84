/* compat/bin/nix-store begins here. */

import { runNixStore } from "./nix-store.ts";
import { runProgram } from "./program.ts";

void runProgram("nix-store", runNixStore);
