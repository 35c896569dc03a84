/*
What a test needs from the machine: `test("…", need("nix-store"), () => …)`. A test whose component is missing is
skipped with the reason; where CI is "true" the machine was promised to have everything, so there it is a failure.
*/

import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Test options: empty when `command` is on PATH, else a skip with the reason. Throws instead when CI is "true". */
export function need(command: string): { skip: string } | Record<string, never> {
  if (onPath(command) !== undefined) return {};
  return missing(`no ${command} on PATH`);
}

/** Test options for a component that `need` cannot find by itself: a skip with `reason`; throws when CI is "true". */
export function missing(reason: string): { skip: string } {
  if (process.env.CI === "true") throw new Error(`${reason}, and with CI=true nothing may be missing`);
  return { skip: reason };
}

/** The absolute path of an executable on PATH, or undefined. */
export function onPath(command: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    const file = join(folder, command);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // not in this folder
    }
  }
  return undefined;
}
