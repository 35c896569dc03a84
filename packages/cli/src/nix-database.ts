/*
The database of a real Nix store, read and never written: which paths it has and what it says of them. Nix may be running. A database that
cannot be opened where it lies, because its directory cannot be written to and SQLite wants a file beside it, is read from a copy.
*/

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { messageOf } from "@firn/base";
import { fromBase64, parseHash } from "@firn/hash";
import { parseAbsoluteStorePath, parseContentAddress, type StorePath } from "@firn/nix-compat";
import { type PathInfo, sortedReferences } from "@firn/store";
import { CliError } from "./error.ts";

/** What the database says of a path. */
export type NixPath = Omit<PathInfo, "node">;

type Row = {
  readonly id: number;
  readonly path: string;
  readonly hash: string;
  readonly registrationTime: number;
  readonly deriver: string | null;
  readonly narSize: number | null;
  readonly sigs: string | null;
  readonly ca: string | null;
};

const COLUMNS = "id, path, hash, registrationTime, deriver, narSize, sigs, ca";

export class NixDatabase implements Disposable {
  readonly #storeDir: string;
  readonly #database: DatabaseSync;
  readonly #copyDir: string | undefined;
  readonly #byPath: StatementSync;
  readonly #references: StatementSync;

  /** Opens the database in `file`; its paths are below `storeDir`. Throws `not-found` or `invalid-target`. */
  constructor(file: string, storeDir: string) {
    this.#storeDir = storeDir;
    if (!existsSync(file)) throw new CliError("not-found", `there is no Nix database at '${file}': name it with --db`);
    try {
      ({ database: this.#database, copyDir: this.#copyDir } = open(file));
      this.#byPath = this.#database.prepare(`SELECT ${COLUMNS} FROM ValidPaths WHERE path = ?`);
      this.#references = this.#database.prepare(
        "SELECT path FROM Refs JOIN ValidPaths ON reference = id WHERE referrer = ?",
      );
    } catch (thrown) {
      throw new CliError("invalid-target", `'${file}' cannot be read as a Nix database: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  /** What the store knows of a path; undefined when it is not valid there. */
  find(path: StorePath): NixPath | undefined {
    const row = this.#byPath.get(path.absolute(this.#storeDir)) as Row | undefined;
    return row === undefined ? undefined : this.#infoOf(row);
  }

  /** All valid paths, in no order. */
  *paths(): Generator<StorePath, void> {
    for (const row of this.#database.prepare("SELECT path FROM ValidPaths").iterate())
      yield parseAbsoluteStorePath((row as { path: string }).path, this.#storeDir);
  }

  [Symbol.dispose](): void {
    this.#database.close();
    if (this.#copyDir !== undefined) rmSync(this.#copyDir, { recursive: true, force: true });
  }

  #infoOf(row: Row): NixPath {
    const storeDir = this.#storeDir;
    const references = (this.#references.all(row.id) as { path: string }[]).map(({ path }) =>
      parseAbsoluteStorePath(path, storeDir),
    );
    const deriver =
      row.deriver === null || row.deriver === "" ? undefined : parseAbsoluteStorePath(row.deriver, storeDir);
    const signatures = (row.sigs ?? "").split(" ").filter((text) => text !== "");
    return {
      path: parseAbsoluteStorePath(row.path, storeDir),
      narSha256: parseHash(row.hash, "sha256").bytes,
      narSize: row.narSize ?? 0,
      references: sortedReferences(references),
      ...(deriver?.isDerivation ? { deriver } : {}),
      ...(row.ca === null || row.ca === "" ? {} : { contentAddress: parseContentAddress(row.ca) }),
      signatures: signatures.map((text) => {
        const colon = text.indexOf(":");
        return { keyName: text.slice(0, colon), bytes: fromBase64(text.slice(colon + 1)) ?? new Uint8Array() };
      }),
      registeredAt: row.registrationTime,
    };
  }
}

function open(file: string): { readonly database: DatabaseSync; readonly copyDir: string | undefined } {
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
    database.prepare("SELECT count(*) FROM ValidPaths").get();
    return { database, copyDir: undefined };
  } catch {
    const copyDir = mkdtempSync(join(tmpdir(), "firn-nix-db-"));
    try {
      const copy = join(copyDir, basename(file));
      copyFileSync(file, copy);
      // What was not taken over into the database yet.
      if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
      return { database: new DatabaseSync(copy), copyDir };
    } catch (thrown) {
      rmSync(copyDir, { recursive: true, force: true });
      throw thrown;
    }
  }
}
