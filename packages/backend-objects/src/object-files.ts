/*
Objects as files below one directory: whole or absent. A new one is written beside its place, flushed and renamed, and the directory it lands in is flushed
too; so what was acknowledged survives a crash. Names are keys with slashes, given by this package only.
*/

import { constants } from "node:fs";
import { access, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FirnError } from "@firn/base";
import { CastoreError, diskProblem } from "@firn/castore";

/** Where objects are while they are written; no reader of this layout looks there. */
const STAGING = ".staging";
/** What a killed process left is removed when it is this much older than the youngest file. */
const ABANDONED_MS = 24 * 3600 * 1000;
/** Longest object that is read, in bytes. */
const OBJECT_BYTES_MAX = 256 * 1024 * 1024;

export class ObjectFiles {
  readonly #dir: string;
  readonly #flushes = new DirectoryFlushes();
  readonly #madeDirs = new Set<string>();
  #cleaned: Promise<void> | undefined;
  #made = 0;

  /** `dir` is an absolute host path, made when it is first written to. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  async has(key: string): Promise<boolean> {
    return access(join(this.#dir, key), constants.F_OK).then(
      () => true,
      (thrown: unknown) => this.#absent(key, thrown) ?? false,
    );
  }

  /** The object's bytes, or undefined. */
  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      const { size } = await stat(join(this.#dir, key));
      if (size > OBJECT_BYTES_MAX)
        throw new CastoreError("limit", `object ${key} has ${size} bytes, at most ${OBJECT_BYTES_MAX} are read`);
      return new Uint8Array(await readFile(join(this.#dir, key)));
    } catch (thrown) {
      return this.#absent(key, thrown);
    }
  }

  /** Stores an object durably, over one of the same key. */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#dir, key);
    let staged: string | undefined;
    try {
      await this.#cleanOnce();
      staged = join(this.#dir, STAGING, `${crypto.randomUUID()}-${++this.#made}`);
      const file = await open(staged, "wx", 0o644);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#makeDir(dirname(path));
      await rename(staged, path);
      await this.#flushes.flush(dirname(path));
    } catch (thrown) {
      if (staged !== undefined) await rm(staged, { force: true }).catch(() => undefined);
      throw failure(`storing object ${key}`, thrown);
    }
  }

  /** For an object that is not there: undefined; anything else is thrown. */
  #absent(key: string, thrown: unknown): undefined {
    const code = (thrown as { code?: unknown }).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw failure(`reading object ${key}`, thrown);
  }

  async #makeDir(dir: string): Promise<void> {
    if (this.#madeDirs.has(dir)) return;
    await mkdir(dir, { recursive: true });
    await this.#flushes.flush(dirname(dir));
    this.#madeDirs.add(dir);
  }

  async #cleanOnce(): Promise<void> {
    this.#cleaned ??= this.#clean();
    try {
      await this.#cleaned;
    } catch (thrown) {
      this.#cleaned = undefined; // a disk that is full now may have space later
      throw thrown;
    }
  }

  async #clean(): Promise<void> {
    const dir = join(this.#dir, STAGING);
    await mkdir(dir, { recursive: true });
    const files = await Promise.all(
      (await readdir(dir)).map(async (name) => ({
        name,
        mtimeMs: (await stat(join(dir, name)).catch(() => undefined))?.mtimeMs,
      })),
    );
    // The file system's clock is the one that counts: it stamped them.
    const probe = join(dir, `${crypto.randomUUID()}-0`);
    await (await open(probe, "wx")).close();
    const { mtimeMs: now } = await stat(probe);
    await rm(probe, { force: true });
    for (const { name, mtimeMs } of files) {
      if (mtimeMs !== undefined && now - mtimeMs > ABANDONED_MS) await rm(join(dir, name), { force: true });
    }
  }
}

/** Flushes of directories. Those who ask for one while another of the same directory runs share the next one. */
class DirectoryFlushes {
  readonly #running = new Map<string, { readonly ended: Promise<void>; next: Promise<void> | undefined }>();

  flush(dir: string): Promise<void> {
    const running = this.#running.get(dir);
    if (running === undefined) return this.#begin(dir);
    running.next ??= running.ended.catch(() => undefined).then(() => this.#begin(dir));
    return running.next;
  }

  #begin(dir: string): Promise<void> {
    const ended = flush(dir);
    const running = { ended, next: undefined };
    this.#running.set(dir, running);
    const forget = () => {
      if (this.#running.get(dir) === running && running.next === undefined) this.#running.delete(dir);
    };
    ended.then(forget, forget);
    return ended;
  }
}

async function flush(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function failure(doing: string, thrown: unknown): Error {
  if (thrown instanceof FirnError) return thrown;
  return new CastoreError("storage", `${doing} failed: ${diskProblem(thrown)}`, { cause: thrown });
}
