/* compat/bin/nix-build begins here. */

import { runNixBuild } from "./nix-build.ts";
import { runProgram } from "./program.ts";

void runProgram("nix-build", runNixBuild);
