/*
How values of Nix's worker protocol are written and read: a codec for each kind of value, and a few that are made of others. The tables of operations
(worker-operations.ts) and of log frames (worker-log.ts) are written with them, so that reading and writing cannot come apart.

What a value looks like depends on what both ends agreed on, which every codec is handed.
*/

import type { ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { parseAbsoluteStorePath, type StorePath } from "./store-path.ts";
import { WIRE_PATH_BYTES_MAX, type WireReader, type WireWriter } from "./wire.ts";

/** What both ends of a connection agreed on. */
export type WorkerSession = {
  /** The minor number of protocol 1.x. */
  readonly version: number;
  readonly features: ReadonlySet<string>;
  readonly storeDir: string;
};

/** One kind of value. `read` throws NixCompatError. */
export type WorkerCodec<T> = {
  readonly read: (from: WireReader, session: WorkerSession) => Promise<T>;
  readonly write: (to: WireWriter, value: T, session: WorkerSession) => void;
};

/** The type a codec is of. */
export type WorkerValue<C> = C extends WorkerCodec<infer T> ? T : never;

/** Longest name of an output, setting, algorithm or feature, in bytes. */
export const WORKER_NAME_BYTES_MAX = 1024;
/** Most items of a list. */
export const WORKER_ITEMS_MAX = 1 << 22;

export function invalidMessage(what: string): NixCompatError {
  return new NixCompatError("invalid-message", `not Nix's worker protocol: ${what}`);
}

export const integer: WorkerCodec<number> = {
  read: (from) => from.integer(),
  write: (to, value) => to.integer(value),
};

/** For what may be above 2^53, as "no limit" is. */
export const integer64: WorkerCodec<bigint> = {
  read: (from) => from.integer64(),
  write: (to, value) => to.integer(value),
};

export const flag: WorkerCodec<boolean> = {
  read: (from) => from.flag(),
  write: (to, value) => to.flag(value),
};

export function text(bytesMax: number, what: string): WorkerCodec<ByteString> {
  return { read: (from) => from.text(bytesMax, what), write: (to, value) => to.text(value) };
}

/** A short text that names something. */
export const name = text(WORKER_NAME_BYTES_MAX, "name");

/** An absolute store path. */
export const storePath: WorkerCodec<StorePath> = {
  read: async (from, { storeDir }) =>
    parseAbsoluteStorePath(await from.text(WIRE_PATH_BYTES_MAX, "store path"), storeDir),
  write: (to, path, { storeDir }) => to.text(path.absolute(storeDir)),
};

/** A text of which the empty one says that there is none. */
export function unlessEmpty<T>(
  bytesMax: number,
  what: string,
  parse: (text: ByteString, session: WorkerSession) => T,
  print: (value: T, session: WorkerSession) => ByteString,
): WorkerCodec<T | undefined> {
  return {
    read: async (from, session) => {
      const text = await from.text(bytesMax, what);
      return text === "" ? undefined : parse(text, session);
    },
    write: (to, value, session) => to.text(value === undefined ? "" : print(value, session)),
  };
}

export const optionalStorePath = unlessEmpty<StorePath>(
  WIRE_PATH_BYTES_MAX,
  "store path",
  (text, { storeDir }) => parseAbsoluteStorePath(text, storeDir),
  (path, { storeDir }) => path.absolute(storeDir),
);

/** A count and the items. */
export function list<T>(item: WorkerCodec<T>, what: string, itemsMax = WORKER_ITEMS_MAX): WorkerCodec<readonly T[]> {
  return {
    read: async (from, session) => {
      const count = await from.count(itemsMax, what);
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(await item.read(from, session));
      return items;
    },
    write: (to, items, session) => {
      to.integer(items.length);
      for (const each of items) item.write(to, each, session);
    },
  };
}

/** A flag, and the value when it is set. */
export function optional<T>(codec: WorkerCodec<T>): WorkerCodec<T | undefined> {
  return {
    read: async (from, session) => {
      const tag = await from.integer();
      if (tag > 1) throw invalidMessage(`${tag} says neither that a value follows nor that there is none`);
      return tag === 0 ? undefined : await codec.read(from, session);
    },
    write: (to, value, session) => {
      to.flag(value !== undefined);
      if (value !== undefined) codec.write(to, value, session);
    },
  };
}

/** Fields after one another, in the order in which they are given. */
export function record<Value extends object>(
  fields: {
    readonly [Name in keyof Value]: WorkerCodec<Value[Name]>;
  },
): WorkerCodec<{ readonly [Name in keyof Value]: Value[Name] }> {
  const entries = Object.entries(fields) as unknown as (readonly [string, WorkerCodec<unknown>])[];
  return {
    read: async (from, session) => {
      const value: Record<string, unknown> = {};
      for (const [field, codec] of entries) value[field] = await codec.read(from, session);
      return value as Value;
    },
    write: (to, value, session) => {
      for (const [field, codec] of entries) codec.write(to, (value as Record<string, unknown>)[field], session);
    },
  };
}

/** A value that exists from a version on; before it, it is `before` and takes no bytes. */
export function since<T>(version: number, codec: WorkerCodec<T>, before: T): WorkerCodec<T> {
  return choose((session) => session.version >= version, codec, constant(before));
}

/** One of two forms, as the session says. */
export function choose<T>(
  isFirst: (session: WorkerSession) => boolean,
  first: WorkerCodec<T>,
  second: WorkerCodec<T>,
): WorkerCodec<T> {
  return {
    read: (from, session) => (isFirst(session) ? first : second).read(from, session),
    write: (to, value, session) => (isFirst(session) ? first : second).write(to, value, session),
  };
}

/** No bytes. */
export function constant<T>(value: T): WorkerCodec<T> {
  return { read: async () => value, write: () => {} };
}

/** An integer that says nothing any more. */
export function obsolete(written: number): WorkerCodec<void> {
  return { read: async (from) => void (await from.integer64()), write: (to) => to.integer(written) };
}

/** One of a few words, as its index. */
export function word<const Words extends readonly string[]>(words: Words, what: string): WorkerCodec<Words[number]> {
  return {
    read: async (from) => {
      const index = await from.integer();
      const found = words[index];
      if (found === undefined) throw invalidMessage(`${index} is no ${what}`);
      return found;
    },
    write: (to, value) => to.integer(words.indexOf(value)),
  };
}

/** The same bytes with another meaning. */
export function mapped<T, U>(
  codec: WorkerCodec<T>,
  read: (value: T, session: WorkerSession) => U,
  write: (value: U, session: WorkerSession) => T,
): WorkerCodec<U> {
  return {
    read: async (from, session) => read(await codec.read(from, session), session),
    write: (to, value, session) => codec.write(to, write(value, session), session),
  };
}
