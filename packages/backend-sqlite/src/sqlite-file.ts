/*
The file: its tables, and writes to it in groups. Everything asked for in one turn of the event loop is one transaction, flushed when it returns, so
that a thousand small puts cost one flush. SQLite lets one process write at a time and readers never wait (write-ahead log).

    blobs(id, digest, size, bytes, touched)   digest null: being written, last touched then; bytes null: in pieces
    pieces(blob, at, bytes)                   contents of longer blobs, cut anywhere
    directories(digest, encoded)
    path_infos(hash_part, encoded)
    reference(target, referrer)               hash parts; a path's own is left out
    realisations(key, encoded)                added on opening, since older files of this version lack it
*/

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { SqliteStoreError, sqliteError, sqliteProblem } from "./error.ts";

/** In the file's header: "Firn", and the version of the tables. */
const APPLICATION_ID = 0x4669726e;
const VERSION = 1;
const BUSY_TIMEOUT_MS = 30_000;
/** A blob nobody has written to for this long is one whose writer is gone. */
const ABANDONED_SECONDS = 24 * 3600;

const TABLES = `
create table if not exists blobs(id integer primary key, digest blob unique, size integer, bytes blob, touched integer);
create index if not exists unfinished on blobs(touched) where digest is null;
create table if not exists pieces(blob integer not null, at integer not null, bytes blob not null);
create unique index if not exists piece on pieces(blob, at);
create table if not exists directories(id integer primary key, digest blob not null unique, encoded blob not null);
create table if not exists path_infos(id integer primary key, hash_part text not null unique, encoded blob not null);
create table if not exists reference(target text not null, referrer text not null, primary key(target, referrer)) without rowid;
`;
const LATER_TABLES =
  "create table if not exists realisations(id integer primary key, key text not null unique, encoded text not null);";

type Write = {
  readonly doing: string;
  readonly run: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
};

export class SqliteFile {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #waiting: Write[] = [];
  #isOpen = true;

  /** Opens or makes the file. Throws SqliteStoreError `not-a-store` or `storage`. */
  constructor(path: string) {
    try {
      this.#database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    } catch (thrown) {
      throw new SqliteStoreError("storage", `the store at ${path} cannot be opened: ${sqliteProblem(thrown)}`, {
        cause: thrown,
      });
    }
    try {
      this.#prepare(path);
    } catch (thrown) {
      this.#database.close();
      if (thrown instanceof SqliteStoreError) throw thrown;
      throw new SqliteStoreError("storage", `the store at ${path} cannot be used: ${sqliteProblem(thrown)}`, {
        cause: thrown,
      });
    }
  }

  /** One row, or undefined. Statements are kept for the next time. */
  get(sql: string, ...values: (string | number | Uint8Array)[]): Record<string, unknown> | undefined {
    return this.#reading(() => this.#statement(sql).get(...values));
  }

  all(sql: string, ...values: (string | number | Uint8Array)[]): Record<string, unknown>[] {
    return this.#reading(() => this.#statement(sql).all(...values));
  }

  /** Inside `write` only. Yields the id of the row that was inserted. */
  run(sql: string, ...values: (string | number | null | Uint8Array)[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid);
  }

  /**
   * Calls `work` inside a transaction shared with others and resolves with its result when that is durable. What `work` throws is the
   * answer for its caller alone, so it must throw before it writes anything.
   */
  write<T>(doing: string, work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ doing, run: work, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#commit());
    });
  }

  /** Commits what waits and closes. Closing twice is allowed. */
  close(): void {
    if (!this.#isOpen) return;
    this.#commit();
    this.#isOpen = false;
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(path: string): void {
    const pragma = (name: string) => Number(Object.values(this.#database.prepare(`pragma ${name}`).get() ?? {})[0]);
    const isEmpty = pragma("schema_version") === 0;
    if (!isEmpty && pragma("application_id") !== APPLICATION_ID)
      throw new SqliteStoreError("not-a-store", `${path} is a database, but no store of Firn`);
    const version = pragma("user_version");
    if (!isEmpty && version !== VERSION)
      throw new SqliteStoreError(
        "not-a-store",
        `the store at ${path} has version ${version}, only ${VERSION} is known here`,
      );
    this.#database.exec("pragma journal_mode = wal; pragma synchronous = full;");
    if (isEmpty) {
      this.#database.exec(
        `begin immediate; ${TABLES} pragma application_id = ${APPLICATION_ID}; pragma user_version = ${VERSION}; commit;`,
      );
    }
    this.#database.exec(LATER_TABLES);
    const abandoned = `select id from blobs where digest is null and touched < unixepoch() - ${ABANDONED_SECONDS}`;
    if (this.#database.prepare(abandoned).get() === undefined) return;
    this.#database.exec(
      `begin immediate; delete from pieces where blob in (${abandoned}); delete from blobs where id in (${abandoned}); commit;`,
    );
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (thrown) {
      throw sqliteError("reading the store", thrown);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #commit(): void {
    const writes = this.#waiting;
    if (writes.length === 0) return;
    this.#waiting = [];
    const answers: (() => void)[] = [];
    try {
      this.#database.exec("begin immediate");
      for (const { run, resolve, reject } of writes) {
        try {
          const value = run();
          answers.push(() => resolve(value as never));
        } catch (thrown) {
          if ((thrown as { errcode?: unknown }).errcode !== undefined) throw thrown; // SQLite's: the transaction is lost
          answers.push(() => reject(thrown));
        }
      }
      this.#database.exec("commit");
    } catch (thrown) {
      if (this.#database.isTransaction) this.#database.exec("rollback");
      for (const { doing, reject } of writes) reject(sqliteError(doing, thrown));
      return;
    }
    for (const answer of answers) answer();
  }
}
