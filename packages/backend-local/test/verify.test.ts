/* Verification finds what is wrong in any kind of record and file, says nothing of what is right, and mends what can be mended. */

import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  cpSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type FindingKind, type LocalStore, openLocalStore } from "@firn/backend-local";
import { makeFixedOutputPath, type StorePath } from "@firn/nix-compat";
import { Commits } from "../src/commits.ts";
import { LocalNars } from "../src/local-nars.ts";
import { SeenFiles, statKey } from "../src/stat-cache.ts";
import { StoreIndex, type Table } from "../src/store-index.ts";
import { noise } from "./noise.ts";
import { temporaryDir } from "./odd-tree.ts";

/** A store with two paths, one referring to the other, of small and large files; both are roots and shown on disk. */
async function fill(dir: string): Promise<StorePath[]> {
  await using store = await openLocalStore(join(dir, "store"));
  const paths: StorePath[] = [];
  for (const name of ["low", "high"]) {
    const tree = join(dir, name);
    mkdirSync(join(tree, "inner"), { recursive: true });
    writeFileSync(join(tree, "inner", "small"), `small of ${name}`);
    writeFileSync(join(tree, "medium"), noise(50_000, name.length));
    writeFileSync(join(tree, "large"), noise(900_000, 7 * name.length));
    const node = await store.importer.importTree(tree);
    const nar = await store.nars.calculateNar(node);
    await store.blobs.outboard?.(await store.blobs.put(noise(900_000, 7 * name.length)));
    const path = makeFixedOutputPath(
      { method: "nar", hash: { algorithm: "sha256", bytes: nar.narSha256 }, name },
      "/nix/store",
    );
    await store.pathInfos.put([{ path, node, ...nar, references: [...paths], signatures: [], registeredAt: 1 }]);
    await store.roots.addRoot(name, path);
    await store.exposer.expose([node]);
    paths.push(path);
    remember(tree, store.dir);
  }
  return paths;
}

/** As an import does with a directory that has not changed for some time. */
function remember(tree: string, storeDir: string): void {
  const index = new StoreIndex(storeDir);
  const stats = { mtimeMs: 1, ctimeMs: 1, ino: 1, size: 1 };
  const seen = new SeenFiles(10_000);
  seen.file("medium", stats, "ab".repeat(32) as never);
  const record = seen.encode(stats, { kind: "directory", digest: "cd".repeat(32) as never, size: 3 }, true);
  index.stats.putSync(statKey(tree), Buffer.concat([Buffer.alloc(4), record]));
}

const verify = (store: LocalStore, options?: Parameters<LocalStore["verify"]>[0]) =>
  store.verify({ nar: true, ...options });

/** Changes the last byte of the first record of a table, or removes it. */
async function damage(dir: string, table: keyof StoreIndex, how: "flip" | "remove"): Promise<void> {
  const index = new StoreIndex(join(dir, "store"));
  const records = index[table] as Table;
  const all = Array.from(records.getRange(), (entry) => ({
    key: Buffer.from(entry.key),
    value: Buffer.from(entry.value),
  }));
  // A blob of one chunk is there as long as its chunk is.
  const [{ key, value }] = table === "blobs" ? all.filter((entry) => entry.value[4] === 0) : all;
  if (how === "remove") records.removeSync(key);
  else {
    value[value.length - 1] ^= 4;
    records.putSync(key, value);
  }
  await index.close();
}

describe("a verification", () => {
  test("has nothing to say of a store that is right, and counts what it saw", async () => {
    using dir = temporaryDir();
    await fill(dir.path);
    await using store = await openLocalStore(join(dir.path, "store"));
    const { findings, checked } = await verify(store);
    assert.deepEqual(findings, []);
    assert.deepEqual([checked.path, checked.directory, checked.referrer, checked.root], [2, 4, 1, 2]);
    assert.deepEqual([checked.outboard, checked["remembered-nar"], checked.seen], [2, 2, 2]);
    assert(checked.chunk >= 6 && checked.blob >= 4 && checked.file >= 6, JSON.stringify(checked));
  });

  const cases: readonly (readonly [string, keyof StoreIndex, "flip" | "remove", readonly FindingKind[]])[] = [
    ["a chunk's record", "chunks", "flip", ["chunk"]],
    ["a chunk", "chunks", "remove", ["blob"]],
    ["a blob's record", "blobs", "flip", ["blob"]],
    ["a blob", "blobs", "remove", ["directory"]],
    ["a directory's record", "directories", "flip", ["directory"]],
    ["a directory", "directories", "remove", ["directory", "path"]],
    ["a path's record", "pathInfos", "flip", ["path"]],
    ["a path", "pathInfos", "remove", ["path", "referrer", "root"]],
    ["a table of referrers", "referrers", "remove", ["path"]],
    ["an outboard", "outboards", "flip", ["outboard"]],
    ["a hash of a NAR", "nars", "flip", ["remembered-nar"]],
    ["a directory of the host that is remembered", "stats", "flip", ["seen"]],
  ];
  for (const [what, table, how, kinds] of cases) {
    test(`finds ${what} that was ${how === "flip" ? "changed" : "lost"}, and mends it from another store`, async () => {
      using dir = temporaryDir();
      await fill(dir.path);
      cpSync(join(dir.path, "store"), join(dir.path, "copy"), { recursive: true });
      await damage(dir.path, table, how);
      await using store = await openLocalStore(join(dir.path, "store"));
      const found = await verify(store);
      assert(found.findings.length > 0, "something is found");
      assert(
        found.findings.some(({ kind }) => kinds.includes(kind)),
        JSON.stringify(found.findings),
      );
      assert(found.findings.every(({ isRepaired }) => !isRepaired));
      await using copy = await openLocalStore(join(dir.path, "copy"));
      await verify(store, { repairFrom: copy });
      await verify(store, { repairFrom: copy }); // what refers to what was mended later
      const left = (await verify(store)).findings;
      assert.deepEqual(left, []);
    });
  }

  test("a flipped bit in a hash of a NAR that is remembered changes no answer", async () => {
    using dir = temporaryDir();
    await fill(dir.path);
    const hashes = async () => {
      await using store = await openLocalStore(join(dir.path, "store"));
      const found = [];
      for await (const { node, narSha256, narSize } of store.pathInfos.list())
        found.push([await store.nars.calculateNar(node), { narSha256, narSize }]);
      return found;
    };
    for (let bit = 0; bit < 44; bit++) {
      const index = new StoreIndex(join(dir.path, "store"));
      for (const { key, value } of Array.from(index.nars.getRange())) {
        const flipped = Buffer.from(value);
        flipped[bit] ^= 1 << (bit % 8);
        index.nars.putSync(Buffer.from(key), flipped);
      }
      await index.close();
      for (const [remembered, registered] of await hashes()) assert.deepEqual(remembered, registered, `byte ${bit}`);
    }
  });

  test("finds each flipped byte of a pack that anything is read from", async () => {
    using dir = temporaryDir();
    await fill(dir.path);
    const packs = join(dir.path, "store", "packs");
    const file = openSync(join(packs, readdirSync(packs)[0]), "r+");
    const { size } = fstatSync(file);
    await using store = await openLocalStore(join(dir.path, "store"));
    cpSync(join(dir.path, "store"), join(dir.path, "copy"), { recursive: true });
    await using copy = await openLocalStore(join(dir.path, "copy"));
    const byte = Buffer.alloc(1);
    for (const at of [size >> 2, size >> 1, size - 1]) {
      readSync(file, byte, 0, 1, at);
      byte[0] ^= 128;
      writeSync(file, byte, 0, 1, at);
    }
    closeSync(file);
    const { findings } = await verify(store);
    assert.equal(findings.filter(({ kind }) => kind === "chunk").length, 3);
    assert(findings.some(({ kind }) => kind === "nar"));
    const mended = await verify(store, { repairFrom: copy });
    assert(
      mended.findings.every(({ isRepaired }) => isRepaired),
      JSON.stringify(mended.findings),
    );
    assert.deepEqual((await verify(store)).findings, []);
  });

  test("finds changed files that were shown on disk, and takes them away when told to mend", async () => {
    using dir = temporaryDir();
    await fill(dir.path);
    await using store = await openLocalStore(join(dir.path, "store"));
    const files = join(store.dir, "files");
    const [name] = (readdirSync(files, { recursive: true }) as string[]).filter((found) => /-r$/.test(found));
    chmodSync(join(files, name), 0o644);
    assert.match((await verify(store)).findings[0].problem, /its mode was changed/);
    writeFileSync(join(files, name), "changed");
    chmodSync(join(files, name), 0o444);
    const { findings } = await verify(store, { repair: true });
    assert.deepEqual(
      findings.map(({ kind, isRepaired }) => [kind, isRepaired]),
      [["file", true]],
    );
    assert.deepEqual((await verify(store)).findings, []);
  });

  test("finds a remembered NAR hash that was changed, and forgets it when told to mend", async () => {
    using dir = temporaryDir();
    await fill(dir.path);
    await using store = await openLocalStore(join(dir.path, "store"));
    for await (const { node } of store.pathInfos.list()) await store.nars.calculateNar(node);
    const index = new StoreIndex(store.dir);
    const nars = new LocalNars(index, new Commits(index), store);
    for await (const { node } of store.pathInfos.list()) {
      await nars.remember(node, { narSha256: new Uint8Array(32).fill(1), narSize: 1 });
      break;
    }
    await index.close();
    const kinds = async (repair: boolean) =>
      (await verify(store, { repair })).findings.map(({ kind, isRepaired }) => [kind, isRepaired]);
    assert.deepEqual(await kinds(false), [["nar", false]]);
    assert.deepEqual(await kinds(true), [["nar", true]]);
    assert.deepEqual(await kinds(false), []);
  });

  test("tells which path does not render to its NAR", async () => {
    using dir = temporaryDir();
    const [low] = await fill(dir.path);
    const index = new StoreIndex(join(dir.path, "store"));
    const key = Buffer.from(low.hashPart);
    const record = Buffer.from(index.pathInfos.getBinary(key) as Uint8Array)
      .toString()
      .replace(/"narSha256":"../, '"narSha256":"00');
    index.pathInfos.putSync(key, Buffer.from(record));
    await index.close();
    await using store = await openLocalStore(join(dir.path, "store"));
    assert.deepEqual((await store.verify()).findings, []);
    const { findings } = await verify(store);
    assert.deepEqual(
      findings.map(({ kind, what }) => [kind, what]),
      [["nar", low.hashPart]],
    );
  });

  test("stops when it is told to", async () => {
    using dir = temporaryDir();
    await fill(dir.path);
    await using store = await openLocalStore(join(dir.path, "store"));
    const reason = new Error("enough");
    await assert.rejects(store.verify({ signal: AbortSignal.abort(reason) }), reason);
  });
});
