/*
Attempts in SQLite. A record is the attempt as JSON; beside it stand the fields that are asked for. Records are not flushed one by one: they
survive the process, which is what kills of builders call for, and the last ones may be lost with the machine.

    attempts(id, recipe, resolved, label, status, queued, ended, holder, cancel, record)
    recipes(digest, packed)                    JSON, deflated
*/

import { deflateRawSync, inflateRawSync } from "node:zlib";
import {
  type Attempt,
  type AttemptFilter,
  type AttemptPage,
  type AttemptStore,
  BUILDER_DIED,
  BuildError,
  hasEnded,
  pageSize,
  type Recipe,
  type RecipeRecord,
} from "@firn/build";
import type { Digest } from "@firn/castore";
import type { SqliteFile, SqliteSchema } from "./sqlite-file.ts";

export const ATTEMPTS_SCHEMA: SqliteSchema = {
  what: "record of builds",
  applicationId: 0x46726e62, // "Frnb"
  version: 1,
  synchronous: "normal",
  tables: `
create table attempts(
  id text primary key, recipe text not null, resolved text, label text not null, status text not null,
  queued integer not null, ended integer, holder text not null, cancel integer not null default 0, record text not null
) without rowid;
create index by_time on attempts(queued, id);
create index by_recipe on attempts(recipe, queued, id);
create index by_resolved on attempts(resolved, queued, id);
create index by_label on attempts(label, queued, id);
create index under_way on attempts(holder) where ended is null;
create index by_end on attempts(ended) where ended is not null;
create table recipes(digest text primary key, packed blob not null) without rowid;
`,
};

/** Longest JSON of a recipe that is unpacked. */
const RECIPE_BYTES_MAX = 256 * 1024 * 1024;
/** Ended attempts between two times that old ones are forgotten. */
const PRUNE_EVERY = 200;
const DAY_MS = 24 * 3600 * 1000;

export type AttemptRetention = {
  /** Ended attempts that are kept; the newest. */
  readonly endedMax: number;
  /** How long an ended attempt is kept. */
  readonly daysMax: number;
};

export type AttemptProcess = {
  /** Names this process among all that ever ran. */
  readonly self: string;
  /** Whether the process of that name is running; undefined where that cannot be told: its attempts are left alone, and nobody waits for them. */
  readonly isAlive: (name: string) => boolean | undefined;
};

export type SqliteAttemptsParts = {
  readonly file: SqliteFile;
  readonly process: AttemptProcess;
  readonly retention: AttemptRetention;
  readonly now: () => number;
  /** Told which attempts were forgotten. */
  readonly onForgotten: (ids: readonly string[]) => void;
};

export class SqliteAttempts implements AttemptStore {
  readonly #parts: SqliteAttemptsParts;
  readonly #file: SqliteFile;
  #ended = 0;

  constructor(parts: SqliteAttemptsParts) {
    this.#parts = parts;
    this.#file = parts.file;
  }

  async put(attempt: Attempt, recipes: readonly RecipeRecord[] = []): Promise<void> {
    const packed = recipes.map(({ digest, recipe }) => ({ digest, bytes: deflateRawSync(JSON.stringify(recipe)) }));
    await this.#file.write("keeping the record of a build", () => {
      for (const { digest, bytes } of packed) {
        this.#file.run("insert or ignore into recipes(digest, packed) values (?, ?)", digest, bytes);
      }
      this.#write(attempt, this.#parts.process.self);
    });
    if (hasEnded(attempt) && ++this.#ended % PRUNE_EVERY === 0) await this.prune();
  }

  start(attempt: Attempt): Promise<Attempt | undefined> {
    return this.#file.write("beginning a build", () => {
      const other = this.#equalTo(attempt);
      if (other === undefined) this.#write(attempt, this.#parts.process.self);
      else this.#file.run("delete from attempts where id = ?", attempt.id);
      return other;
    });
  }

  async get(id: string): Promise<Attempt | undefined> {
    const sql = "select record, ended, holder from attempts where id = ?";
    const row = this.#file.get(sql, id);
    if (row === undefined || row.ended !== null || this.#isAlive(row.holder) !== false) return attemptOf(row);
    await this.#endDead();
    return attemptOf(this.#file.get(sql, id));
  }

  async list(filter: AttemptFilter = {}): Promise<AttemptPage> {
    await this.#endDead();
    const limit = pageSize(filter);
    const rows =
      filter.recipe === undefined
        ? this.#rows(filter, limit)
        : mergedNewestFirst(
            this.#rows(filter, limit, "recipe = ?", filter.recipe),
            this.#rows(filter, limit, "resolved = ? and resolved <> recipe", filter.recipe),
          );
    const attempts = rows.slice(0, limit).map(({ record }) => JSON.parse(record as string) as Attempt);
    if (rows.length <= limit) return { attempts };
    const last = attempts[limit - 1];
    return { attempts, next: `${last.queuedAtMs}:${last.id}` };
  }

  async recipe(digest: Digest): Promise<Recipe | undefined> {
    const row = this.#file.get("select packed from recipes where digest = ?", digest);
    if (row === undefined) return undefined;
    const options = { maxOutputLength: RECIPE_BYTES_MAX };
    return JSON.parse(inflateRawSync(row.packed as Uint8Array, options).toString()) as Recipe;
  }

  async requestCancel(id: string): Promise<void> {
    await this.#file.write("asking for a cancellation", () =>
      this.#file.run("update attempts set cancel = 1 where id = ? and ended is null", id),
    );
  }

  async cancelRequests(): Promise<readonly string[]> {
    const sql = "select id from attempts where ended is null and holder = ? and cancel = 1";
    return this.#file.all(sql, this.#parts.process.self).map(({ id }) => id as string);
  }

  /** Forgets what is older or more than is to be kept. */
  async prune(): Promise<void> {
    const { endedMax, daysMax } = this.#parts.retention;
    const before = this.#parts.now() - daysMax * DAY_MS;
    const overdue = "ended is not null and (ended < ? or ended < coalesce(";
    const newest = "(select ended from attempts where ended is not null order by ended desc limit 1 offset ?), 0))";
    const sql = `select id from attempts where ${overdue}${newest}`;
    const ids = this.#file.all(sql, before, Math.max(0, endedMax - 1)).map(({ id }) => id as string);
    if (ids.length === 0) return;
    await this.#file.write("forgetting old builds", () => {
      for (const id of ids) this.#file.run("delete from attempts where id = ?", id);
      this.#file.run(
        "delete from recipes where not exists (select 1 from attempts where recipe = digest) and not exists (select 1 from attempts where resolved = digest)",
      );
    });
    this.#parts.onForgotten(ids);
  }

  /** Digests of all logs that records name. */
  logDigests(): Digest[] {
    const rows = this.#file.all("select record ->> 'log' as log from attempts where ended is not null");
    return rows.flatMap(({ log }) => (log === null ? [] : [log as Digest]));
  }

  /** Attempts whose processes are gone have ended. */
  async #endDead(): Promise<void> {
    const holders = this.#file.all("select distinct holder from attempts where ended is null");
    const dead = holders.filter(({ holder }) => this.#isAlive(holder) === false).map(({ holder }) => holder as string);
    if (dead.length === 0) return;
    await this.#file.write("ending the builds of dead processes", () => {
      for (const holder of dead) {
        for (const row of this.#file.all("select record from attempts where ended is null and holder = ?", holder)) {
          const attempt = attemptOf(row) as Attempt;
          this.#write({ ...attempt, status: "failed", endedAtMs: this.#parts.now(), end: BUILDER_DIED }, holder);
        }
      }
    });
  }

  #isAlive(holder: unknown): boolean | undefined {
    return holder === this.#parts.process.self || this.#parts.process.isAlive(holder as string);
  }

  /** As `start` says; called in a transaction. */
  #equalTo({ id, resolved, queuedAtMs, startedAtMs = queuedAtMs }: Attempt): Attempt | undefined {
    if (resolved === undefined) return undefined;
    const sql =
      "select record, ended, holder from attempts where resolved = ? and id <> ? and (status = 'running' or (status = 'succeeded' and ended > ? and ended <= ?)) order by queued desc";
    const rows = this.#file.all(sql, resolved, id, queuedAtMs, startedAtMs);
    return attemptOf(rows.find(({ ended, holder }) => ended !== null || this.#isAlive(holder) === true));
  }

  #write(attempt: Attempt, holder: string): void {
    const { id, recipe, resolved, label, status, queuedAtMs, endedAtMs } = attempt;
    const ended = hasEnded(attempt) ? (endedAtMs ?? this.#parts.now()) : null;
    this.#file.run(
      "insert into attempts(id, recipe, resolved, label, status, queued, ended, holder, record) values (?, ?, ?, ?, ?, ?, ?, ?, ?) " +
        "on conflict(id) do update set resolved = excluded.resolved, status = excluded.status, ended = excluded.ended, record = excluded.record",
      ...[id, recipe, resolved ?? null, label, status, queuedAtMs, ended, holder, JSON.stringify(attempt)],
    );
  }

  /** One more than the limit when there are more. */
  #rows(filter: AttemptFilter, limit: number, ...more: [sql: string, value: string] | []): Record<string, unknown>[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const where = (sql: string, ...operands: (string | number)[]) => {
      conditions.push(sql);
      values.push(...operands);
    };
    const { label, status, idPrefix, sinceMs, cursor } = filter;
    if (more.length > 0) where(more[0] as string, more[1] as string);
    if (label !== undefined) where("label = ?", label);
    if (status !== undefined) where("status = ?", status);
    if (idPrefix !== undefined) where("substr(id, 1, ?) = ?", idPrefix.length, idPrefix);
    if (sinceMs !== undefined) where("queued >= ?", sinceMs);
    if (cursor !== undefined) where("(queued, id) < (?, ?)", ...placeOf(cursor));
    const condition = conditions.length === 0 ? "" : `where ${conditions.join(" and ")}`;
    const sql = `select queued, id, record from attempts ${condition} order by queued desc, id desc limit ?`;
    return this.#file.all(sql, ...values, limit + 1);
  }
}

function attemptOf(row: Record<string, unknown> | undefined): Attempt | undefined {
  return row === undefined ? undefined : (JSON.parse(row.record as string) as Attempt);
}

function placeOf(cursor: string): [number, string] {
  const [, queued, id] = /^(\d{1,16}):(.{1,100})$/s.exec(cursor) ?? [];
  if (id === undefined)
    throw new BuildError("unknown-attempt", `${JSON.stringify(cursor)} is no place in a list of attempts`);
  return [Number(queued), id];
}

function mergedNewestFirst(...lists: Record<string, unknown>[][]): Record<string, unknown>[] {
  const compare = (a: Record<string, unknown>, b: Record<string, unknown>) =>
    (b.queued as number) - (a.queued as number) || ((a.id as string) < (b.id as string) ? 1 : -1);
  return lists.flat().sort(compare);
}
