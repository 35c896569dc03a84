/* compat/bin/nix-collect-garbage begins here. */

import { runNixCollectGarbage } from "./nix-collect-garbage.ts";
import { runProgram } from "./program.ts";

void runProgram("nix-collect-garbage", runNixCollectGarbage);
