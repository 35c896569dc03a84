/*
An SQLite file of Firn's, and writes to it in groups. Everything asked for in one turn of the event loop is one transaction, flushed when it
returns, so that a thousand small puts cost one flush. SQLite lets one process write at a time and readers never wait (write-ahead log). What its
tables are is the schema's.
*/

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { throwIfAborted } from "@firn/base";
import { SqliteStoreError, sqliteError, sqliteProblem } from "./error.ts";

const BUSY_TIMEOUT_MS = 30_000;
const PAGE_ROWS = 500;

export type SqliteSchema = {
  /** What the file is, for messages: "store". */
  readonly what: string;
  /** In the file's header: which program's file it is, and the version of its tables. */
  readonly applicationId: number;
  readonly version: number;
  readonly tables: string;
  /** Run whenever the file is opened: tables that came later, tidying up. */
  readonly prepare?: string;
  /** `full`: what was written survives the machine; `normal`: it survives the process. */
  readonly synchronous: "full" | "normal";
};

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
  constructor(path: string, schema: SqliteSchema) {
    const { what } = schema;
    try {
      this.#database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    } catch (thrown) {
      throw new SqliteStoreError("storage", `the ${what} at ${path} cannot be opened: ${sqliteProblem(thrown)}`, {
        cause: thrown,
      });
    }
    try {
      this.#prepare(path, schema);
    } catch (thrown) {
      this.#database.close();
      if (thrown instanceof SqliteStoreError) throw thrown;
      throw new SqliteStoreError("storage", `the ${what} at ${path} cannot be used: ${sqliteProblem(thrown)}`, {
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

  /** All rows in the order of a text, a page at a time so that a slow consumer holds nothing. `sql` takes the text of the row before and how many are wanted. */
  *pages(sql: string, textOf: string, signal?: AbortSignal): Generator<Record<string, unknown>, void> {
    for (let after = ""; ; ) {
      throwIfAborted(signal);
      const rows = this.all(sql, after, PAGE_ROWS);
      yield* rows;
      if (rows.length < PAGE_ROWS) return;
      after = rows[rows.length - 1][textOf] as string;
    }
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
      if (!this.#isOpen) throw sqliteError(doing, new Error("the file is closed"));
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

  #prepare(path: string, { what, applicationId, version, tables, prepare, synchronous }: SqliteSchema): void {
    const pragma = (name: string) => Number(Object.values(this.#database.prepare(`pragma ${name}`).get() ?? {})[0]);
    const isEmpty = () => pragma("schema_version") === 0;
    this.#database.exec(`pragma synchronous = ${synchronous};`);
    if (isEmpty()) {
      this.#database.exec("pragma journal_mode = wal; begin immediate;");
      // Another process may have made it meanwhile.
      if (isEmpty())
        this.#database.exec(`${tables} pragma application_id = ${applicationId}; pragma user_version = ${version};`);
      this.#database.exec("commit");
    }
    if (pragma("application_id") !== applicationId)
      throw new SqliteStoreError("not-a-store", `${path} is a database, but no ${what} of Firn`);
    const found = pragma("user_version");
    if (found !== version)
      throw new SqliteStoreError(
        "not-a-store",
        `the ${what} at ${path} has version ${found}, only ${version} is known here`,
      );
    if (prepare !== undefined) this.#database.exec(prepare);
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (thrown) {
      throw sqliteError("reading the database", thrown);
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
      this.#rollBack();
      for (const { doing, reject } of writes) reject(sqliteError(doing, thrown));
      return;
    }
    for (const answer of answers) answer();
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec("rollback");
    } catch {
      // a disk that fails altogether; what made the transaction fail is told
    }
  }
}
