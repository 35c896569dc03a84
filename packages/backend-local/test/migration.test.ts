/* A store that version 0 wrote is read, whole, after it was opened, also when the migration was interrupted or several processes open it. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openLocalStore, openLocalStoreSync } from "@firn/backend-local";
import type { Digest } from "@firn/castore";
import { toHex } from "@firn/hash";
import { parseStorePath } from "@firn/nix-compat";
import { calculateNar } from "@firn/store";
import { identityOfSelf } from "../src/process-identity.ts";
import { StoreIndex, textKey } from "../src/store-index.ts";
import { describeTree, temporaryDir } from "./odd-tree.ts";

const FIXTURE = join(import.meta.dirname, "fixtures/store-version-0.tar.gz");
const path = parseStorePath("10xzjq5bvk58bc1y4ypmqnagnr5ijl9m-old-tree");
const root = "ad4645af0e700c603501ed086acf17d9b15fd378c7e024d9e8124d92232d3f7d" as Digest;

function unpack(at: string): void {
  mkdirSync(at);
  execFileSync("tar", ["-xzf", FIXTURE, "-C", at]);
}

async function checkContents(at: string): Promise<void> {
  await using store = await openLocalStore(at);
  assert.equal(readFileSync(join(at, "format"), "latin1"), "firn-local-store\nversion 1\nfeatures\n");
  assert.equal(existsSync(join(at, "blobs")), false);
  const info = await store.pathInfos.get(path.hashPart);
  assert.ok(info?.node.kind === "directory");
  assert.equal(info.node.digest, root);
  const nar = await calculateNar(info.node, store);
  assert.equal(toHex(nar.narSha256), toHex(info.narSha256));
  assert.deepEqual(
    store.roots.listRoots().map(({ name }) => name),
    ["old"],
  );
  const { hostPaths } = await store.exposer.expose([info.node]);
  assert.deepEqual(
    describeTree(hostPaths[0]).map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["/", "/link ->", "/medium r", "/small r", "/sub/", "/sub/large r", "/sub/program x"],
  );
  const large = (await store.directories.get(root))?.get("sub");
  assert.ok(large?.kind === "directory");
  const file = (await store.directories.get(large.digest))?.get("large");
  assert.ok(file?.kind === "file");
  assert.ok(((await store.blobs.chunks(file.digest))?.length ?? 0) > 1, "large files are chunks now");
  assert.deepEqual(await store.importer.importTree(hostPaths[0]), info.node);
}

describe("a store of version 0", () => {
  test("is brought up to date when it is opened, with all that was in it", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    unpack(at);
    assert.throws(() => openLocalStoreSync(at), { code: "unknown-format" });
    await checkContents(at);
    await checkContents(at);
    await openLocalStoreSync(at).close();
  });

  test("may be opened by several at once", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    unpack(at);
    const opened = await Promise.all([openLocalStore(at), openLocalStore(at), openLocalStore(at)]);
    for (const store of opened) await store.close();
    await checkContents(at);
  });

  test("is taken over when whoever was at it died, before or after the records were turned over", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    unpack(at);
    const index = new StoreIndex(at);
    await index.meta.put(textKey("migration"), textKey("000000000000-1-1-1"));
    await index.close();
    await (await openLocalStore(at)).close();
    // As if it had ended before the format was written.
    writeFileSync(join(at, "format"), "firn-local-store\nversion 0\nfeatures\n");
    mkdirSync(join(at, "blobs"));
    await checkContents(at);
  });

  test("is not touched while an older program uses it", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    unpack(at);
    const index = new StoreIndex(at);
    const lease = { id: "x", label: "build hello", holder: identityOfSelf(), openedAt: 1 };
    await index.leases.put(textKey("x"), Buffer.from(JSON.stringify(lease)));
    await index.close();
    await assert.rejects(openLocalStore(at), { code: "storage", message: /older Firn is using it \(build hello\)/ });
    assert.ok(readdirSync(at).includes("blobs"));
  });

  test("loses a blob whose file was damaged, and nothing else", async () => {
    using dir = temporaryDir();
    const at = join(dir.path, "store");
    unpack(at);
    const damaged = "b64e8dd472d9b3f3b0ea8892b353a7da86458a009cea585fed06628aeef5c0e4" as Digest;
    const file = join(at, "blobs/b6", damaged);
    const bytes = readFileSync(file);
    bytes[5] ^= 1;
    execFileSync("chmod", ["u+w", file]);
    writeFileSync(file, bytes);
    await using store = await openLocalStore(at);
    assert.equal(await store.blobs.has(damaged), false);
    assert.ok(await store.directories.has(root));
  });
});
