/*
`npm run lint`: biome (format, lint, import order) and knip (files, exports and dependencies nobody uses). With --fix
biome writes what it can mend; with CI=true it runs its `ci` command, which never writes. What needs our own rules is
dev/tidy.ts, a test.
*/

import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const fix = process.argv.includes("--fix");

/** Runs a package's JavaScript command; true when it was content. */
function passes(command: string, args: readonly string[]): boolean {
  const script = join(root, "node_modules", command);
  return spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" }).status === 0;
}

const colors = process.stdout.isTTY ? [] : ["--colors=off"];
const biomeArgs = fix ? ["check", "--write"] : [process.env.CI === "true" ? "ci" : "check"];
const biome = passes("@biomejs/biome/bin/biome", [...biomeArgs, "--error-on-warnings", ...colors, "."]);
const knip = passes("knip/bin/knip.js", ["--no-progress", "--no-config-hints"]);
process.exitCode = biome && knip ? 0 : 1;
