/*
What is shown to somebody now, by any process: a file in the staging directory of the process that shows it, with a name a line. It needs no flush
and no record, since it ends with the process; what a dead one left does not count and is removed with its staging directory.

Names are written, and asked for, inside write transactions, which one process has at a time. So who takes a tree away either sees that it is
pinned, or has taken it before the one who pins it looks for it.
*/

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, storageError } from "./error.ts";
import type { Staging } from "./staging.ts";
import type { StoreIndex } from "./store-index.ts";

const PREFIX = "shown-";

export class ExposurePins {
  readonly #index: StoreIndex;
  readonly #staging: Staging;

  constructor(index: StoreIndex, staging: Staging) {
    this.#index = index;
    this.#staging = staging;
  }

  /** Pins files and trees by their names until the result is called, or this process ends. */
  pin(names: readonly string[]): () => void {
    const path = this.#staging.newPath(PREFIX);
    try {
      this.#index.write(() => writeFileSync(path, names.join("\n")));
    } catch (thrown) {
      throw storageError("pinning what is shown", thrown);
    }
    return () => rmSync(path, { force: true });
  }

  /** All names that are pinned. To be called inside a write transaction. */
  all(): Set<string> {
    const names = new Set<string>();
    for (const dir of this.#staging.livingDirs())
      for (const file of readdirSync(dir))
        if (file.startsWith(PREFIX)) for (const name of linesOf(join(dir, file))) names.add(name);
    return names;
  }
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "latin1").split("\n");
  } catch (thrown) {
    if (errnoOf(thrown) === "ENOENT") return []; // released
    throw thrown;
  }
}
