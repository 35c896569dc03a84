/* Programs of the host on the caller's PATH. */

import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

/** The executable file of that name in the first absolute directory that has one. */
export function findProgram(name: string, searchPath: string): string | undefined {
  for (const directory of searchPath.split(":")) {
    if (!directory.startsWith("/")) continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not in this directory
    }
  }
  return undefined;
}
