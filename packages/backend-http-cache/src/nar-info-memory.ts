/*
What caches answered, in one SQLite file that several processes may use: a path they have is taken for had for a month, one they have not for an hour, as in
C++ Nix. It is a memory of answers and nothing more: what it says is judged as if it had just come, and a file that cannot be used is done without.
*/

import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

const HAD_MS = 30 * 24 * 60 * 60 * 1000;
const LACKED_MS = 60 * 60 * 1000;
/** Rows that are old by both measures are swept when the file is opened, once in so many times. */
const SWEEP_EVERY = 32;

type Opened = {
  readonly file: DatabaseSync;
  readonly get: StatementSync;
  readonly set: StatementSync;
  readonly forget: StatementSync;
};

export class NarInfoMemory implements Disposable {
  readonly #now: () => number;
  #open: Opened | undefined;

  /** Opens or makes the file. `now` in milliseconds since 1970. */
  constructor(hostPath: string, now: () => number) {
    this.#now = now;
    try {
      mkdirSync(dirname(hostPath), { recursive: true });
      const file = new DatabaseSync(hostPath, { timeout: 1000 });
      file.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
        CREATE TABLE IF NOT EXISTS answers1 (cache TEXT, hash_part TEXT, at INTEGER, narinfo TEXT, PRIMARY KEY (cache, hash_part)) WITHOUT ROWID`);
      if (now() % SWEEP_EVERY === 0) file.prepare("DELETE FROM answers1 WHERE at < ?").run(now() - HAD_MS);
      this.#open = {
        file,
        get: file.prepare("SELECT at, narinfo FROM answers1 WHERE cache = ? AND hash_part = ?"),
        set: file.prepare("INSERT OR REPLACE INTO answers1 VALUES (?, ?, ?, ?)"),
        forget: file.prepare("DELETE FROM answers1 WHERE cache = ? AND hash_part = ?"),
      };
    } catch {
      this.#open = undefined; // done without
    }
  }

  /** The text, "" for a path that was not there; undefined when that is not known any more. */
  get(cache: string, hashPart: string): string | undefined {
    return this.#attempt((open) => {
      const row = open.get.get(cache, hashPart) as { at: number; narinfo: string } | undefined;
      if (row === undefined) return undefined;
      const age = this.#now() - row.at;
      return age >= 0 && age < (row.narinfo === "" ? LACKED_MS : HAD_MS) ? row.narinfo : undefined;
    });
  }

  set(cache: string, hashPart: string, narInfo: string): void {
    this.#attempt((open) => void open.set.run(cache, hashPart, this.#now(), narInfo));
  }

  forget(cache: string, hashPart: string): void {
    this.#attempt((open) => void open.forget.run(cache, hashPart));
  }

  [Symbol.dispose](): void {
    this.#attempt((open) => open.file.close());
    this.#open = undefined;
  }

  #attempt<T>(work: (open: Opened) => T): T | undefined {
    try {
      return this.#open === undefined ? undefined : work(this.#open);
    } catch {
      return undefined; // a locked or full file costs what it would have spared
    }
  }
}
