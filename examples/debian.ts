/* The Debian packages and tarballs some examples are made from: fetched by apt once, some 90 MB. */

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "debian");

export function fetchDebian(): void {
  if (!existsSync(join(FOLDER, "debs.lock.json"))) execFileSync(join(FOLDER, "fetch.sh"), { stdio: "inherit" });
}
