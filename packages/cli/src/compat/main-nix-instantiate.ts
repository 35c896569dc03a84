/* compat/bin/nix-instantiate begins here. */

import { runNixInstantiate } from "./nix-instantiate.ts";
import { runProgram } from "./program.ts";

void runProgram("nix-instantiate", runNixInstantiate);
