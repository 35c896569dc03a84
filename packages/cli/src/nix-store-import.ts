/*
Paths of a real Nix store taken over into Firn's, with all they refer to and what Nix knows of them. Contents come from the files of that store
and are hashed; a path whose NAR hash is not the one its database has is refused. Dependencies come first and each path is registered when
it is whole, so that an import that was stopped goes on where it was when it is started again.
*/

import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { equalBytes } from "@firn/base";
import { printHash } from "@firn/hash";
import { isBelowStoreDir, parseStorePathPrefix, type StorePath } from "@firn/nix-compat";
import { calculateNar, type PathInfo } from "@firn/store";
import { CliError } from "./error.ts";
import { type NixPath, NixDatabase } from "./nix-database.ts";
import type { Session } from "./session.ts";

export type NixImportOptions = {
  /** Host directory of the Nix store, such as /nix/store. */
  readonly nixStoreDir: string;
  /** Its database; undefined: where Nix has it beside the store directory. */
  readonly database: string | undefined;
  /** Store paths, or something inside them; empty: all that are valid. */
  readonly paths: readonly string[];
};

/** Imports them and yields what is registered now of what was asked for. Throws `not-found`, `invalid-target`, or what the import does. */
export async function importFromNix(options: NixImportOptions, session: Session): Promise<PathInfo[]> {
  const { config, output, signal } = session;
  const { storeDir } = config;
  const file = options.database ?? join(dirname(options.nixStoreDir), "var/nix/db/db.sqlite");
  using database = new NixDatabase(file, storeDir);
  const wanted =
    options.paths.length === 0
      ? [...database.paths()]
      : options.paths.map((text) => storePathOf(text, options.nixStoreDir, session));
  const store = await session.openStore();
  await using lease = await store.leases.openLease("import from Nix");
  const call = { lease, signal };
  const asked = new Set(wanted.map(String));
  const imported: PathInfo[] = [];
  const closure = closureOf(wanted, database, storeDir);
  for (const [index, known] of closure.entries()) {
    if (output.isLive)
      await output.note(`\x1b[1A\x1b[2Kimporting ${index + 1} of ${closure.length}: ${known.path.name}`);
    const there = await store.pathInfos.get(known.path.hashPart, call);
    const info = there ?? (await importOne(known));
    if (asked.has(known.path.toString())) imported.push(info);
  }
  return imported;

  async function importOne(known: NixPath): Promise<PathInfo> {
    const node = await store.importer.importTree(join(options.nixStoreDir, known.path.toString()), call);
    const { narSha256, narSize } = await calculateNar(node, store, call);
    const isOther = !equalBytes(narSha256, known.narSha256) || (known.narSize !== 0 && known.narSize !== narSize);
    if (isOther) {
      const [was, is] = [known.narSha256, narSha256].map((bytes) => printHash({ algorithm: "sha256", bytes }, "nix32"));
      const message = `path '${known.path.absolute(storeDir)}' is damaged in the Nix store: its NAR hash should be '${was}' and is '${is}'`;
      throw new CliError("invalid-target", message);
    }
    const info: PathInfo = { ...known, node, narSize, registeredAt: Math.floor(Date.now() / 1000) };
    await store.pathInfos.put([info], call);
    return info;
  }
}

/** Everything the paths refer to, dependencies first. */
function closureOf(wanted: readonly StorePath[], database: NixDatabase, storeDir: string): NixPath[] {
  const order: NixPath[] = [];
  const entered = new Map<string, NixPath>();
  const done = new Set<string>();
  const stack = [...wanted].reverse();
  for (let path = stack.at(-1); path !== undefined; path = stack.at(-1)) {
    const name = path.toString();
    const before = entered.get(name);
    if (before !== undefined) {
      stack.pop();
      if (!done.has(name)) order.push(before);
      done.add(name);
      continue;
    }
    const info = database.find(path);
    if (info === undefined)
      throw new CliError("not-found", `path '${path.absolute(storeDir)}' is not valid in the Nix store`);
    entered.set(name, info);
    stack.push(...info.references.filter((reference) => !entered.has(reference.toString())));
  }
  return order;
}

/** A path below the store directory or below the host directory of the Nix store, or a link of the host that leads there. */
function storePathOf(text: string, nixStoreDir: string, { config }: Session): StorePath {
  const { storeDir, workingDirectory } = config;
  const hostPath = resolve(workingDirectory, text);
  const isNamed = isBelowStoreDir(hostPath, storeDir) || isBelowStoreDir(hostPath, nixStoreDir);
  const found = isNamed || !existsSync(hostPath) ? hostPath : realpathSync(hostPath);
  const inStore = isBelowStoreDir(found, nixStoreDir) ? storeDir + found.slice(nixStoreDir.length) : found;
  return parseStorePathPrefix(inStore, storeDir).path;
}
