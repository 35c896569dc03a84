/* The directory of real files: whole closures come, what is registered no more goes, and what is not its own is not touched. */

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Node, TreeExposer } from "@firn/castore";
import { StoreDirectory } from "@firn/gateway";
import { MemoryPathInfos } from "@firn/store";
import { chainStore, fileNode, pathOf, register } from "../../store/test/small-store.ts";
import { memoryStores } from "./daemon-pair.ts";

const directory = mkdtempSync(join(tmpdir(), "firn-shown-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const { signal } = new AbortController();
let made = 0;

/** Shows each node as a file that says its digest, or a directory with such a file in it. */
function exposer(): TreeExposer & { readonly asked: Node[] } {
  const asked: Node[] = [];
  return {
    asked,
    expose: async (nodes) => {
      asked.push(...nodes);
      const hostPaths = nodes.map((node) => {
        const path = join(directory, `exposed-${++made}`);
        if (node.kind === "directory") mkdirSync(path);
        const file = node.kind === "directory" ? join(path, "digest") : path;
        writeFileSync(file, node.kind === "symlink" ? "" : node.digest, { mode: 0o444 });
        return path;
      });
      return { hostPaths, release: async () => {}, [Symbol.asyncDispose]: async () => {} };
    },
  };
}

describe("the directory of real files", () => {
  test("shows a path with all it refers to, once, and forgets what is registered no more", async () => {
    const stores = memoryStores();
    const a = await register(stores, "a", await fileNode(stores, "a"));
    await register(stores, "b", await fileNode(stores, "b"), "a");
    const hostDir = join(directory, "shown");
    const source = exposer();
    const shown = new StoreDirectory({ hostDir, exposer: source, pathInfos: stores.pathInfos });
    await shown.open();
    await shown.show([pathOf("b"), pathOf("d")], signal);
    await shown.show([pathOf("b")], signal);
    assert.equal(source.asked.length, 2);
    assert.equal(readFileSync(join(hostDir, `${pathOf("a")}`), "utf8"), (a.node as { digest: string }).digest);
    assert.ok(existsSync(join(hostDir, `${pathOf("b")}`)) && !existsSync(join(hostDir, `${pathOf("d")}`)));

    mkdirSync(join(hostDir, ".new-1-unfinished"));
    const emptied = new StoreDirectory({ hostDir, exposer: source, pathInfos: new MemoryPathInfos() });
    await emptied.open();
    assert.ok(!existsSync(join(hostDir, `${pathOf("a")}`)) && !existsSync(join(hostDir, ".new-1-unfinished")));
  });

  test("takes two calls that want the same directories, one of which comes late", async () => {
    const stores = await chainStore();
    const hostDir = join(directory, "overlapping");
    const source = exposer();
    const late = Promise.withResolvers<void>();
    let asked = 0;
    const pathInfos = {
      get: async (hashPart: string) => {
        const info = await stores.pathInfos.get(hashPart);
        // The first call has seen by then that b is to be shown.
        if (++asked === 3) await late.promise;
        return info;
      },
    };
    const shown = new StoreDirectory({ hostDir, exposer: source, pathInfos });
    await shown.open();
    const first = shown.show([pathOf("b")], signal);
    while (asked < 3) await new Promise(setImmediate);
    await shown.show([pathOf("b")], signal);
    late.resolve();
    await first;
    assert.equal(source.asked.length, 2);
    assert.ok(existsSync(join(hostDir, `${pathOf("a")}`, "digest")));
  });

  test("is none that holds what somebody else put there", async () => {
    const hostDir = join(directory, "others");
    mkdirSync(hostDir);
    const path = join(hostDir, `${pathOf("a")}`);
    writeFileSync(path, "precious");
    const shown = new StoreDirectory({ hostDir, exposer: exposer(), pathInfos: new MemoryPathInfos() });
    await assert.rejects(shown.open(), { code: "bad-request" });
    assert.equal(readFileSync(path, "utf8"), "precious");
  });
});
