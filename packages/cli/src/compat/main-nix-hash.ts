/* compat/bin/nix-hash begins here. */

import { runNixHash } from "./nix-hash.ts";
import { runProgram } from "./program.ts";

void runProgram("nix-hash", runNixHash);
