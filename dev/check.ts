/*
`npm run check`: the type check of the whole workspace. TypeScript 7 is a native program without a JavaScript API, so
its command is run, with the arguments given.
*/

import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const args = [tsc, "-p", "tsconfig.json", "--noEmit", ...process.argv.slice(2)];
process.exitCode = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status ?? 1;
