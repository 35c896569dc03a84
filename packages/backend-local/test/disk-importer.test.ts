/* Trees taken from disk, rendered, and shown again: what comes out is what went in, and what cannot be kept is refused by name. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type LocalStore, openLocalStore } from "@firn/backend-local";
import { collectBytes } from "@firn/base";
import { lookup, type Node, walkTree } from "@firn/castore";
import { ingestNar, renderNar } from "@firn/store";
import { need } from "../../../dev/need.ts";
import { describeTree, makeOddTree, temporaryDir } from "./odd-tree.ts";

async function withStore(body: (store: LocalStore, dir: string) => Promise<void>): Promise<void> {
  using dir = temporaryDir();
  await using store = await openLocalStore(join(dir.path, "store"));
  await body(store, dir.path);
}

const narOf = (node: Node, store: LocalStore) =>
  collectBytes(renderNar(node, store), 1 << 28, () => new Error("too long"));

describe("an odd tree", () => {
  test("is shown again as it was, read-only and with mtime 1", () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      const node = await store.importer.importTree(join(dir, "odd"));
      await using shown = await store.exposer.expose([node]);
      assert.deepEqual(describeTree(shown.hostPaths[0]), describeTree(join(dir, "odd")));
      for (const [name, mode] of [
        ["script", 0o555],
        ["group may run", 0o444],
        ["empty", 0o555],
        ["large program", 0o555],
        ["size 300001", 0o444],
        ["", 0o555],
      ] as const) {
        const found = lstatSync(join(shown.hostPaths[0], name));
        assert.equal(found.mode & 0o7777, mode, name);
        assert.equal(found.mtimeMs, 1000, name);
      }
    }));

  test("has the same NAR as nix-store --dump gives", need("nix-store"), () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      const node = await store.importer.importTree(join(dir, "odd"));
      const expected = execFileSync("nix-store", ["--dump", join(dir, "odd")], { maxBuffer: 1 << 28 });
      const nar = await narOf(node, store);
      assert.equal(Buffer.compare(nar, expected), 0);
      const shown = await store.exposer.expose([node]);
      assert.equal(
        Buffer.compare(execFileSync("nix-store", ["--dump", shown.hostPaths[0]], { maxBuffer: 1 << 28 }), expected),
        0,
      );
    }),
  );

  test("goes through a NAR into another store and comes out the same", () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      const node = await store.importer.importTree(join(dir, "odd"));
      await using other = await openLocalStore(join(dir, "other"));
      const ingested = await ingestNar(renderNar(node, store), other);
      assert.deepEqual(ingested.node, node);
      const shown = await other.exposer.expose([node]);
      assert.deepEqual(describeTree(shown.hostPaths[0]), describeTree(join(dir, "odd")));
    }));

  test("is found entry by entry, with the same node a second time", () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      const node = await store.importer.importTree(join(dir, "odd"));
      assert.deepEqual(await store.importer.importTree(join(dir, "odd")), node);
      assert.deepEqual(await lookup(store, node, "odd target"), { kind: "symlink", target: "to \xff" });
      let entries = 0;
      for await (const _ of walkTree(store, node)) entries++;
      assert.equal(entries, describeTree(join(dir, "odd")).length);
    }));
});

describe("a root that is no directory", () => {
  test("may be a file, executable or not, small or large, or a symlink", () =>
    withStore(async (store, dir) => {
      const nodes: Node[] = [];
      const paths: string[] = [];
      for (const [name, size, mode] of [
        ["a", 5, 0o644],
        ["b", 5, 0o755],
        ["c", 50_000, 0o644],
        ["d", 50_000, 0o755],
      ] as const) {
        const path = join(dir, name);
        writeFileSync(path, Buffer.alloc(size, name));
        chmodSync(path, mode);
        nodes.push(await store.importer.importTree(path));
        paths.push(path);
      }
      symlinkSync("../x", join(dir, "link"));
      nodes.push(await store.importer.importTree(join(dir, "link")));
      const shown = await store.exposer.expose(nodes);
      assert.equal(shown.hostPaths.length, 5);
      paths.forEach((path, i) => {
        assert.deepEqual(describeTree(shown.hostPaths[i]), describeTree(path));
      });
      assert.equal(readlinkSync(shown.hostPaths[4]), "../x");
    }));

  test("that is not there is a storage error that names it", () =>
    withStore(async (store, dir) => {
      await assert.rejects(store.importer.importTree(join(dir, "nothing")), {
        code: "storage",
        message: /nothing failed: .*ENOENT/,
      });
      await assert.rejects(store.importer.importTree("relative"), { code: "storage" });
    }));
});

describe("what cannot be kept", () => {
  test("a FIFO is refused by name, below a directory and as the root, without waiting for a writer", () =>
    withStore(async (store, dir) => {
      mkdirSync(join(dir, "tree"));
      assert.equal(spawnSync("mkfifo", [join(dir, "tree", "pipe")]).status, 0);
      const expected = { code: "unsupported-file", message: /tree\/pipe is a FIFO/ };
      await assert.rejects(store.importer.importTree(join(dir, "tree")), expected);
      await assert.rejects(store.importer.importTree(join(dir, "tree", "pipe")), expected);
    }));

  test("a socket is refused by name", () =>
    withStore(async (store, dir) => {
      mkdirSync(join(dir, "tree"));
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(join(dir, "tree", "sock"), resolve));
      try {
        await assert.rejects(store.importer.importTree(join(dir, "tree")), {
          code: "unsupported-file",
          message: /tree\/sock is a socket/,
        });
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    }));

  test("a device is refused by name", () =>
    withStore(async (store) => {
      await assert.rejects(store.importer.importTree("/dev/null"), {
        code: "unsupported-file",
        message: /\/dev\/null is a device/,
      });
    }));

  test("a file that changes while it is read is reported", () =>
    withStore(async (store, dir) => {
      const path = join(dir, "grows");
      writeFileSync(path, Buffer.alloc(500_000));
      let grown = false;
      // The observer sees the first bytes of a longer file before its end is read, so it can play the one who changes it.
      const file = () => () => {
        if (!grown) appendFileSync(path, "more");
        grown = true;
      };
      const observer = { file, symlink: () => {} };
      await assert.rejects(store.importer.importTree(path, { observer }), {
        code: "changed",
        retryable: true,
        message: /grows changed/,
      });
      assert.ok(await store.importer.importTree(path, { observer }));
    }));
});

describe("options of an import", () => {
  test("a filter leaves entries out, is asked in order, and does not enter what it left out", () =>
    withStore(async (store, dir) => {
      mkdirSync(join(dir, "tree", "b", "c"), { recursive: true });
      mkdirSync(join(dir, "tree", "a"));
      writeFileSync(join(dir, "tree", "b", "f"), "");
      writeFileSync(join(dir, "tree", "z"), "");
      const asked: string[] = [];
      const node = await store.importer.importTree(join(dir, "tree"), {
        filter: (path, kind) => {
          asked.push(`${kind} ${path}`);
          return path !== "a" && path !== "b/f";
        },
      });
      assert.deepEqual(asked, ["directory a", "directory b", "directory b/c", "file b/f", "file z"]);
      const paths: string[] = [];
      for await (const { path } of walkTree(store, node)) paths.push(path);
      assert.deepEqual(paths, ["", "b", "b/c", "z"]);
    }));

  test("an observer sees all contents and targets", () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      let bytes = 0;
      const targets: string[] = [];
      const observer = {
        file: () => (chunk: Uint8Array) => {
          bytes += chunk.length;
        },
        symlink: (target: string) => targets.push(target),
      };
      let last = { files: 0, bytes: 0 };
      await store.importer.importTree(join(dir, "odd"), { observer, onProgress: (done) => (last = done) });
      assert.ok(targets.includes("/etc/passwd"));
      assert.equal(bytes, last.bytes);
      assert.ok(bytes > 300_000 + 100_000);
    }));

  test("an abort ends it with the signal's reason and no staged file stays", () =>
    withStore(async (store, dir) => {
      mkdirSync(join(dir, "tree"));
      for (let i = 0; i < 400; i++) writeFileSync(join(dir, "tree", `${i}`), Buffer.alloc(20_000, `${i}`));
      const stop = new AbortController();
      const importing = store.importer.importTree(join(dir, "tree"), {
        signal: stop.signal,
        onProgress: () => stop.abort(new Error("enough")),
      });
      await assert.rejects(importing, { message: "enough" });
      assert.equal(spawnSync("find", [join(dir, "store", "staging"), "-type", "f"]).stdout.toString(), "");
    }));
});

describe("trees that are shown", () => {
  test("share files with each other and with the store", () =>
    withStore(async (store, dir) => {
      for (const name of ["one", "two"]) {
        mkdirSync(join(dir, name));
        writeFileSync(join(dir, name, "small"), "same");
        writeFileSync(join(dir, name, "large"), Buffer.alloc(40_000, 1));
        writeFileSync(join(dir, name, name), name);
      }
      const nodes = [
        await store.importer.importTree(join(dir, "one")),
        await store.importer.importTree(join(dir, "two")),
      ];
      const { hostPaths } = await store.exposer.expose(nodes);
      for (const name of ["small", "large"]) {
        assert.equal(statSync(join(hostPaths[0], name)).ino, statSync(join(hostPaths[1], name)).ino);
      }
      assert.deepEqual((await store.exposer.expose(nodes)).hostPaths, hostPaths);
    }));

  test("are made again when they were not checked since the machine started and are not right", () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      const node = await store.importer.importTree(join(dir, "odd"));
      const shown = (await store.exposer.expose([node])).hostPaths[0];
      await store.close();
      const { StoreIndex, digestKey, textKey } = await import("../src/store-index.ts");
      for (const damage of [false, true]) {
        const index = new StoreIndex(join(dir, "store"));
        assert.ok(node.kind === "directory");
        await index.trees.put(digestKey(node.digest), textKey("another boot"));
        await index.close();
        const before = statSync(shown).ino;
        if (damage) {
          chmodSync(join(shown, "script"), 0o755);
          writeFileSync(join(shown, "script"), "#!/bin/sh\necho no\n");
          chmodSync(join(shown, "script"), 0o555);
          utimesSync(join(shown, "script"), 1, 1);
        }
        await using again = await openLocalStore(join(dir, "store"));
        assert.equal((await again.exposer.expose([node])).hostPaths[0], shown);
        assert.deepEqual(describeTree(shown), describeTree(join(dir, "odd")));
        if (!damage) assert.equal(statSync(shown).ino, before, "a tree that is right is kept");
      }
    }));

  test("of which something is missing are refused, and nothing stays of them", () =>
    withStore(async (store, dir) => {
      makeOddTree(join(dir, "odd"));
      await using other = await openLocalStore(join(dir, "other"));
      const node = await other.importer.importTree(join(dir, "odd"));
      await assert.rejects(store.exposer.expose([node]), { code: "missing" });
      assert.ok(node.kind === "directory");
      assert.equal(existsSync(join(dir, "store", "trees", node.digest)), false);
    }));

  test("are nested as deep as host paths go", () =>
    withStore(async (store, dir) => {
      let deep = join(dir, "deep");
      for (let depth = 0; depth < 1000; depth++) deep += "/d";
      mkdirSync(deep, { recursive: true });
      writeFileSync(join(deep, "f"), "bottom");
      const node = await store.importer.importTree(join(dir, "deep"));
      const shown = (await store.exposer.expose([node])).hostPaths[0];
      const bottom = `${shown}${deep.slice(join(dir, "deep").length)}/f`;
      assert.equal(readFileSync(bottom, "latin1"), "bottom");
    }));
});
