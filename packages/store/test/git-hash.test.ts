import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { Directory, MemoryBlobs, MemoryDirectories, MemoryLeases, type Node } from "@firn/castore";
import { toHex } from "@firn/hash";
import { need } from "../../../dev/need.ts";
import { gitHash } from "../src/git-hash.ts";

type Tree = string | { readonly [name: string]: Tree };

/** Names ending in `*` are executables, contents starting with `->` links. */
const TREE: Tree = {
  a: { "empty.txt": "", inner: { "x*": "#!/bin/sh\n" } },
  "a.b": "sorts before a/",
  a0: "sorts behind a/",
  "run*": "echo",
  link: "->a/inner/x",
  big: "0123456789".repeat(30_000),
  "caf\xc3\xa9": "bytes",
};

function services() {
  const leases = new MemoryLeases();
  return { blobs: new MemoryBlobs(leases), directories: new MemoryDirectories(leases) };
}

async function store(tree: Tree, stores: ReturnType<typeof services>, executable = false): Promise<Node> {
  if (typeof tree === "string") {
    if (tree.startsWith("->")) return { kind: "symlink", target: tree.slice(2) };
    return { kind: "file", digest: await stores.blobs.put(Buffer.from(tree, "latin1")), size: tree.length, executable };
  }
  const entries = [];
  for (const [name, child] of Object.entries(tree)) {
    entries.push({ name: name.replace("*", ""), node: await store(child, stores, name.endsWith("*")) });
  }
  const directory = new Directory(entries);
  await stores.directories.put(directory);
  return directory.node;
}

function write(tree: Tree, path: Buffer): void {
  if (typeof tree !== "string") {
    mkdirSync(path, { recursive: true });
    for (const [name, child] of Object.entries(tree)) {
      const below = Buffer.concat([path, Buffer.from(`/${name.replace("*", "")}`, "latin1")]);
      write(child, below);
      if (name.endsWith("*")) chmodSync(below, 0o755);
    }
  } else if (tree.startsWith("->")) symlinkSync(tree.slice(2), path);
  else writeFileSync(path, tree, "latin1");
}

for (const algorithm of ["sha1", "sha256"] as const) {
  test(`a tree has the ${algorithm} hash git gives it`, need("git"), async () => {
    const directory = mkdtempSync(join(tmpdir(), "firn-git-"));
    after(() => rmSync(directory, { recursive: true }));
    const work = join(directory, "work");
    write(TREE, Buffer.from(work));
    const git = (...args: string[]) =>
      execFileSync("git", ["--git-dir", join(dirname(work), "git"), "--work-tree", work, ...args], { cwd: work })
        .toString()
        .trim();
    git("init", "-q", `--object-format=${algorithm}`);
    git("-c", "core.autocrlf=false", "add", ".");
    const stores = services();
    assert.equal(toHex(await gitHash(await store(TREE, stores), algorithm, stores)), git("write-tree"));
  });
}

test("the empty tree and the empty blob have git's well-known hashes, a link that of its target", async () => {
  const stores = services();
  const hash = async (tree: Tree) => toHex(await gitHash(await store(tree, stores), "sha1", stores));
  assert.equal(await hash({}), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
  assert.equal(await hash(""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  assert.equal(await hash("->x"), await hash("x"));
});

test("a tree that is not wholly there has no hash", async () => {
  const stores = services();
  const node = await store({ a: { b: "c" } }, stores);
  await assert.rejects(gitHash(node, "sha1", { ...stores, blobs: services().blobs }), { code: "missing" });
  await assert.rejects(gitHash(node, "sha1", { ...stores, directories: services().directories }), { code: "missing" });
});
