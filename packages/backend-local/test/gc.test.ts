/* Garbage collection takes what nothing needs and nothing else: roots, references, leases, and promises made while it runs. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { type CallOptions, type Digest, Directory, type Node } from "@firn/castore";
import { makeFixedOutputPath, StorePath } from "@firn/nix-compat";
import { calculateNar, type PathInfo, realisationKey } from "@firn/store";
import { digestKey, StoreIndex, textKey } from "../src/store-index.ts";
import { temporaryDir } from "./odd-tree.ts";

async function withStore(body: (store: LocalStore, dir: string) => Promise<void>): Promise<void> {
  using dir = temporaryDir();
  await using store = await openLocalStore(join(dir.path, "store"));
  await body(store, dir.path);
}

const file = (digest: Digest, size: number): Node => ({ kind: "file", digest, size, executable: false });

/** A directory with a small file, a large one and a directory; all contents are `name`'s own. */
async function putTree(store: LocalStore, name: string, options?: CallOptions): Promise<Node> {
  const small = await store.blobs.put(Buffer.from(name), options);
  const bytes = noise(700_000, name);
  const large = await store.blobs.put(bytes, options);
  const inner = new Directory([{ name: "small", node: file(small, name.length) }]);
  await store.directories.put(inner, options);
  const outer = new Directory([
    { name: "inner", node: inner.node },
    { name: "large", node: file(large, bytes.length) },
  ]);
  await store.directories.put(outer, options);
  return outer.node;
}

function noise(length: number, seed: string): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = [...seed].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

async function register(
  store: LocalStore,
  name: string,
  references: readonly StorePath[] = [],
  more: { readonly options?: CallOptions; readonly registeredAt?: number; readonly deriver?: StorePath } = {},
): Promise<PathInfo> {
  const node = await putTree(store, name, more.options);
  const nar = await calculateNar(node, store);
  const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
  const path = makeFixedOutputPath({ method: "nar", hash, name }, "/nix/store");
  const sorted = [...references].sort((left, right) => (`${left}` < `${right}` ? -1 : 1));
  const info = {
    path,
    node,
    ...nar,
    references: sorted,
    signatures: [],
    registeredAt: more.registeredAt ?? 1,
    deriver: more.deriver,
  };
  await store.pathInfos.put([info], more.options);
  return info;
}

const isThere = async (store: LocalStore, { path }: PathInfo) =>
  (await store.pathInfos.get(path.hashPart)) !== undefined;

/** Everything of a path can be read. */
async function assertWhole(store: LocalStore, info: PathInfo): Promise<void> {
  assert(await isThere(store, info), `${info.path} is registered`);
  assert.deepEqual((await calculateNar(info.node, store)).narSha256, info.narSha256);
}

async function assertGone(store: LocalStore, info: PathInfo): Promise<void> {
  assert.equal(await isThere(store, info), false, `${info.path} is gone`);
  assert.equal(info.node.kind === "directory" && (await store.directories.has(info.node.digest)), false);
}

describe("a collection", () => {
  test("keeps what roots refer to, directly and not, and deletes the rest", () =>
    withStore(async (store) => {
      const library = await register(store, "library");
      const program = await register(store, "program", [library.path]);
      const old = await register(store, "old", [library.path]);
      const alone = await register(store, "alone");
      await store.roots.addRoot("mine", program.path);
      const result = await store.collectGarbage();
      assert.deepEqual(result.deadPaths.map(String).sort(), [`${old.path}`, `${alone.path}`].sort());
      assert.deepEqual([result.livePaths, result.directories, result.blobs], [2, 4, 4]);
      assert(result.chunks > 2, `${result.chunks} chunks`);
      assert(result.freedBytes > 1_400_000, `${result.freedBytes} bytes`);
      for (const info of [library, program]) await assertWhole(store, info);
      for (const info of [old, alone]) await assertGone(store, info);
      assert.deepEqual(await store.pathInfos.referrers(library.path), [program.path]);
      const again = await store.collectGarbage();
      assert.deepEqual([again.deadPaths, again.directories, again.blobs, again.chunks], [[], 0, 0, 0]);
    }));

  test("keeps derivers of what is kept, where they are there, and what those refer to", () =>
    withStore(async (store) => {
      const source = await register(store, "source");
      const deriver = await register(store, "thing.drv", [source.path]);
      const other = await register(store, "other.drv", [source.path]);
      const thing = await register(store, "thing", [], { deriver: deriver.path });
      await store.roots.addRoot("thing", thing.path);
      assert.deepEqual((await store.collectGarbage()).deadPaths, [other.path]);
      for (const info of [source, deriver, thing]) await assertWhole(store, info);
    }));

  test("can tell what it would do without doing it", () =>
    withStore(async (store) => {
      const info = await register(store, "one");
      const dry = await store.collectGarbage({ dryRun: true });
      await assertWhole(store, info);
      const { markMs: _, ...real } = await store.collectGarbage();
      assert.deepEqual({ ...dry, markMs: 0 }, { ...real, markMs: 0 });
    }));

  test("keeps what a link leads to while it is there", () =>
    withStore(async (store, dir) => {
      const info = await register(store, "linked");
      const link = join(dir, "result");
      symlinkSync(`/nix/store/${info.path}`, link);
      await store.roots.addIndirectRoot(link, info.path);
      await store.collectGarbage();
      await assertWhole(store, info);
      unlinkSync(link);
      symlinkSync("/elsewhere", link);
      assert.deepEqual(store.roots.listRoots(), []);
      await store.collectGarbage();
      await assertGone(store, info);
    }));

  test("keeps what was put or promised under an open lease, with all it needs, and takes it when the lease ended", () =>
    withStore(async (store) => {
      const before = await register(store, "before");
      const user = await register(store, "user", [before.path]);
      const tree = await putTree(store, "a tree of its own");
      const stray = await register(store, "stray");
      await store.roots.addRoot("stray", stray.path);
      await store.roots.addRoot("user", user.path);
      await using first = await store.leases.openLease("holds the tree during the first collection");
      await putTree(store, "a tree of its own", { lease: first });
      await store.collectGarbage();
      for (const name of ["stray", "user"]) await store.roots.removeRoot(name);
      await first.release();
      const lease = await store.leases.openLease("test");
      assert(await store.pathInfos.get(user.path.hashPart, { lease }));
      assert(tree.kind === "directory" && (await store.directories.has(tree.digest, { lease })));
      const blob = await store.blobs.put(Buffer.from("fresh"), { lease });
      for (let round = 0; round < 2; round++) {
        await store.collectGarbage();
        await assertWhole(store, user);
        await assertWhole(store, before);
        await calculateNar(tree, store);
        assert(await store.blobs.has(blob));
        await assertGone(store, stray);
      }
      await lease.release();
      await store.collectGarbage();
      await assertGone(store, user);
      await assertGone(store, before);
      assert.equal(await store.directories.has(tree.digest), false);
      assert.equal(await store.blobs.has(blob), false);
    }));

  test("finds what nobody registered, as a killed import leaves it", () =>
    withStore(async (store) => {
      await putTree(store, "left over");
      const { directories, blobs, chunks } = await store.collectGarbage();
      assert.deepEqual([directories, blobs], [2, 2]);
      assert(chunks >= 2);
    }));

  test("keeps chunks that another blob shares, and chunks that are used as blobs", () =>
    withStore(async (store) => {
      const bytes = noise(900_000, "shared");
      const long = await store.blobs.put(bytes);
      const other = await store.blobs.put(Buffer.concat([bytes, Buffer.from("more")]));
      const [chunk] = (await store.blobs.chunks(long)) ?? [];
      const tree = new Directory([
        { name: "chunk", node: file(chunk.digest, chunk.size) },
        { name: "other", node: file(other, bytes.length + 4) },
      ]);
      await store.directories.put(tree);
      const nar = await calculateNar(tree.node, store);
      const hash = { algorithm: "sha256", bytes: nar.narSha256 } as const;
      const path = makeFixedOutputPath({ method: "nar", hash, name: "x" }, "/nix/store");
      const info = { path, node: tree.node, ...nar, references: [], signatures: [], registeredAt: 1 };
      await store.pathInfos.put([info]);
      await store.roots.addRoot("x", path);
      assert.equal((await store.collectGarbage()).blobs, 1);
      assert.equal(await store.blobs.has(long), false);
      await assertWhole(store, info);
    }));

  test("stops at the number of bytes it was given, referrers first", () =>
    withStore(async (store) => {
      const low = await register(store, "low");
      const middle = await register(store, "middle", [low.path]);
      const top = await register(store, "top", [middle.path]);
      const { deadPaths } = await store.collectGarbage({ maxFreedBytes: 1000 });
      assert.deepEqual(deadPaths, [top.path]);
      for (const info of [low, middle]) await assertWhole(store, info);
    }));

  test("keeps what was registered lately when told so", () =>
    withStore(async (store) => {
      const old = await register(store, "old", [], { registeredAt: 100 });
      const fresh = await register(store, "fresh", [], { registeredAt: 200 });
      await store.collectGarbage({ registeredBefore: 200 });
      await assertGone(store, old);
      await assertWhole(store, fresh);
    }));

  test("deletes only what it is told, and refuses what is needed", () =>
    withStore(async (store) => {
      const low = await register(store, "low");
      const top = await register(store, "top", [low.path]);
      const other = await register(store, "other");
      await assert.rejects(store.collectGarbage({ only: [low.path] }), { code: "alive" });
      await assertWhole(store, low);
      assert.deepEqual((await store.collectGarbage({ only: [top.path] })).deadPaths, [top.path]);
      await assertWhole(store, low);
      await assertWhole(store, other);
    }));

  test("removes trees and files that were made from what is gone, and no others", () =>
    withStore(async (store, dir) => {
      const kept = await register(store, "kept");
      const gone = await register(store, "gone");
      await store.roots.addRoot("kept", kept.path);
      const { hostPaths, release } = await store.exposer.expose([kept.node, gone.node]);
      await store.collectGarbage();
      assert(hostPaths.every(existsSync), "somebody shows both");
      await release();
      await store.collectGarbage();
      assert.deepEqual(hostPaths.map(existsSync), [true, false]);
      const names = readdirSync(join(dir, "store", "files"), { recursive: true }) as string[];
      assert.equal(names.filter((name) => /-[rx]$/.test(name)).length, 2);
      await assertWhole(store, kept);
      const back = await register(store, "gone");
      assert(existsSync((await store.exposer.expose([back.node])).hostPaths[0]));
    }));

  test("gives the space of larger contents back to the disk", async () => {
    using dir = temporaryDir();
    const packs = join(dir.path, "store", "packs");
    const used = () => readdirSync(packs).reduce((sum, name) => sum + statSync(join(packs, name)).size, 0);
    const open = () => openLocalStore(join(dir.path, "store"));
    {
      await using store = await open();
      const kept = await register(store, "kept");
      await store.roots.addRoot("kept", kept.path);
      for (let i = 0; i < 4; i++) await register(store, `gone-${i}`);
    }
    const before = used();
    await using store = await open();
    const { livePaths } = await store.collectGarbage();
    assert.equal(livePaths, 1);
    assert(used() * 4 < before, `${before} bytes before, ${used()} after`);
    assert.deepEqual((await store.verify({ nar: true })).findings, []);
  });

  test("stops when it is told to, and can be begun again", () =>
    withStore(async (store) => {
      const controller = new AbortController();
      for (let i = 0; i < 5; i++) await register(store, `number ${i}`.replace(" ", "-"));
      const reason = new Error("enough");
      const onProgress = ({ phase }: { readonly phase: string }) => {
        if (phase === "directories") controller.abort(reason);
      };
      await assert.rejects(store.collectGarbage({ signal: controller.signal, onProgress }), reason);
      assert.deepEqual((await store.collectGarbage()).deadPaths, []);
      assert.equal((await store.collectGarbage()).blobs, 0);
    }));

  test("is one at a time", () =>
    withStore(async (store) => {
      const first = store.collectGarbage();
      await assert.rejects(store.collectGarbage(), { code: "busy" });
      await first;
      await store.collectGarbage();
    }));

  test("deletes nothing when what is needed cannot be read", () =>
    withStore(async (store) => {
      const info = await register(store, "damaged");
      await store.roots.addRoot("damaged", info.path);
      const dead = await register(store, "dead");
      assert(info.node.kind === "directory");
      const index = new StoreIndex(store.dir);
      const record = Buffer.from(index.directories.getBinary(digestKey(info.node.digest)) as Uint8Array);
      record[record.length - 1] ^= 1;
      index.directories.putSync(digestKey(info.node.digest), record);
      await index.close();
      await assert.rejects(store.collectGarbage(), { code: "corrupt" });
      await assertWhole(store, dead);
    }));
});

describe("what is promised while a collection runs", () => {
  for (const phase of ["mark", "paths", "directories", "blobs"] as const) {
    test(`stays, with all it needs, when it was still there (at the beginning of ${phase})`, () =>
      withStore(async (store) => {
        const infos: PathInfo[] = [];
        for (let i = 0; i < 6; i++)
          infos.push(
            await register(
              store,
              `path-${i}`,
              infos.slice(-1).map(({ path }) => path),
            ),
          );
        const trees: Node[] = [];
        for (let i = 0; i < 6; i++) trees.push(await putTree(store, `tree ${i}`));
        await using lease = await store.leases.openLease("elsewhere");
        await lease.release();
        let promised: Promise<[PathInfo | undefined, boolean][]> | undefined;
        await using later = await store.leases.openLease("later");
        await later.release();
        const onProgress = (progress: { readonly phase: string }) => {
          if (progress.phase !== phase && phase !== "mark") return;
          promised ??= (async () => {
            const held = await store.leases.openLease("during");
            return Promise.all(
              infos.map(async (info, i): Promise<[PathInfo | undefined, boolean]> => {
                const tree = trees[i];
                return [
                  await store.pathInfos.get(info.path.hashPart, { lease: held }),
                  tree.kind === "directory" && (await store.directories.has(tree.digest, { lease: held })),
                ];
              }),
            );
          })();
        };
        await store.collectGarbage({ onProgress });
        for (const [i, [info, hasTree]] of (await (promised ?? [])).entries()) {
          if (info !== undefined) await assertWhole(store, info);
          if (hasTree) await calculateNar(trees[i], store);
        }
      }));
  }
});

test("realisations of paths that are deleted are forgotten, others stay", async () => {
  await withStore(async (store) => {
    const [kept, dead] = [await register(store, "kept"), await register(store, "dead")];
    await store.roots.addRoot("kept", kept.path);
    const drvPath = new StorePath("d".repeat(32), "thing.drv");
    const outputs = Object.entries({ out: kept, doc: dead });
    await store.realisations.put(outputs.map(([output, { path }]) => ({ drvPath, output, path, signatures: [] })));
    await store.collectGarbage();
    assert.deepEqual(
      (await Array.fromAsync(store.realisations.list())).map(({ output }) => output),
      ["out"],
    );
  });
});

test("realisations that are damaged are forgotten, and stop no collection", async () => {
  await withStore(async (store) => {
    const kept = await register(store, "kept");
    await store.roots.addRoot("kept", kept.path);
    const drvPath = new StorePath("d".repeat(32), "thing.drv");
    const damage: readonly (readonly [string, string])[] = [
      ["cut", '{"v":1,'],
      ["future", '{"v":999}'],
      ["pathless", '{"v":1,"path":"nowhere","signatures":[]}'],
      ["empty", ""],
    ];
    for (const output of ["out", ...damage.map(([name]) => name)])
      await store.realisations.put([{ drvPath, output, path: kept.path, signatures: [] }]);
    const index = new StoreIndex(store.dir);
    for (const [output, value] of damage)
      index.realisations.putSync(textKey(realisationKey(drvPath, output)), textKey(value));
    await index.close();
    await store.collectGarbage();
    assert.deepEqual(
      (await Array.fromAsync(store.realisations.list())).map(({ output }) => output),
      ["out"],
    );
  });
});
