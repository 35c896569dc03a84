/*
Compiled code as files, one per source. A file appears whole or not at all (temporary name, then rename) and is not flushed: one that
is lost or damaged is made anew, whoever reads it checks it. A disk that is full or read-only only means that nothing is kept.
*/

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CodeStore } from "@firn/eval";

export class DiskCodeStore implements CodeStore {
  readonly #directory: string;
  #broken = false;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #file(key: string): { readonly folder: string; readonly name: string } {
    return { folder: join(this.#directory, key.slice(0, 2)), name: key.slice(2) };
  }

  load(key: string): Uint8Array | undefined {
    const { folder, name } = this.#file(key);
    try {
      return readFileSync(`${folder}/${name}`);
    } catch {
      return undefined;
    }
  }

  save(key: string, bytes: Uint8Array): void {
    if (this.#broken) return;
    const { folder, name } = this.#file(key);
    const temporary = join(folder, `.${name}-${process.pid}`);
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(temporary, bytes);
      renameSync(temporary, join(folder, name));
    } catch {
      // Trying again for every file would not help.
      this.#broken = true;
      rmSync(temporary, { force: true });
    }
  }
}
