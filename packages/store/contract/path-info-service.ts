/*
What every PathInfoService must do, as tests. `open` makes a fresh, empty service for each test, in whose store the empty blob
and the empty directory are, and says how to end it.
*/

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY_DIGEST } from "@firn/castore";
import { fromHex } from "@firn/hash";
import { parseContentAddress, parseStorePath, StorePath } from "@firn/nix-compat";
import type { PathInfo, PathInfoService } from "@firn/store";

type Opened = { readonly pathInfos: PathInfoService; close(): Promise<void> };

const storePath = (letter: string, name: string) => new StorePath(letter.repeat(32), name);
const a = storePath("a", "first");
const b = storePath("b", "second");
const c = storePath("c", "third");
// The NAR of an empty regular file has 112 bytes and this hash.
const NAR_SHA256 = fromHex("2b2ca0d9ec56a5f84c51ecb6a4f9a7a2f2c3ae5b1c6ecb31b1de20c8a8e8f2de") as Uint8Array;

function info(path: StorePath, more: Partial<PathInfo> = {}): PathInfo {
  const node = { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false } as const;
  const rest = { narSha256: NAR_SHA256, narSize: 112, references: [], signatures: [], registeredAt: 1_700_000_000 };
  return { path, node, deriver: undefined, contentAddress: undefined, ...rest, ...more };
}

const signature = (keyName: string, fill: number) => ({ keyName, bytes: new Uint8Array(64).fill(fill) });

export function pathInfoServiceContract(name: string, open: () => Promise<Opened>): void {
  const check = (sentence: string, body: (pathInfos: PathInfoService) => Promise<void>) =>
    test(sentence, async () => {
      const opened = await open();
      try {
        await body(opened.pathInfos);
      } finally {
        await opened.close();
      }
    });

  describe(`${name} keeps the contract of a PathInfoService`, () => {
    check("what was put is got back whole", async (pathInfos) => {
      const symlink = { kind: "symlink", target: "../\xff" } as const;
      const full = info(b, {
        node: symlink,
        references: [a, b],
        deriver: parseStorePath(`${"d".repeat(32)}-second.drv`),
        contentAddress: parseContentAddress("fixed:r:sha256:1xqkzcb3909fp07qngljr4wcdnrh1gdam1m2n29i6hhrxlmkgkv1"),
        signatures: [signature("key-1", 1)],
      });
      await pathInfos.put([info(a), full]);
      assert.deepEqual(await pathInfos.get(b.hashPart), full);
      assert.deepEqual(await pathInfos.get(a.hashPart), info(a));
      assert.equal(await pathInfos.get(c.hashPart), undefined);
    });

    check("a reference must be registered before or in the same call", async (pathInfos) => {
      await assert.rejects(pathInfos.put([info(b, { references: [a] })]), { code: "missing" });
      await pathInfos.put([info(b, { references: [a, b] }), info(a)]);
      await pathInfos.put([info(c, { references: [a] })]);
    });

    check("all are registered or none", async (pathInfos) => {
      await assert.rejects(pathInfos.put([info(a), info(b, { references: [c] })]), { code: "missing" });
      assert.equal(await pathInfos.get(a.hashPart), undefined);
      await assert.rejects(pathInfos.put([info(a), info(b, { narSize: -1 })]), { code: "invalid-path-info" });
      assert.equal(await pathInfos.get(a.hashPart), undefined);
    });

    check("registering again merges signatures and keeps the rest", async (pathInfos) => {
      await pathInfos.put([info(a, { signatures: [signature("key-1", 1)] })]);
      await pathInfos.put([
        info(a, { signatures: [signature("key-1", 1), signature("key-2", 2)], registeredAt: 1_800_000_000 }),
      ]);
      const kept = await pathInfos.get(a.hashPart);
      assert.deepEqual(kept, info(a, { signatures: [signature("key-1", 1), signature("key-2", 2)] }));
    });

    check("other contents under a registered path are a conflict", async (pathInfos) => {
      await pathInfos.put([info(a)]);
      await assert.rejects(pathInfos.put([info(a, { narSha256: new Uint8Array(32) })]), { code: "conflict" });
      await assert.rejects(pathInfos.put([info(b), info(b, { narSize: 120 })]), { code: "conflict" });
      assert.deepEqual(await pathInfos.get(a.hashPart), info(a));
    });

    check("rules are checked", async (pathInfos) => {
      const bad: Partial<PathInfo>[] = [
        { narSha256: new Uint8Array(31) },
        { narSize: 1.5 },
        { references: [b, a] },
        { references: [a, a] },
        { deriver: b },
        { signatures: [signature("", 1)] },
        { signatures: [{ keyName: "k", bytes: new Uint8Array(63) }] },
      ];
      for (const more of bad) await assert.rejects(pathInfos.put([info(a, more)]), { code: "invalid-path-info" });
    });

    check("all are listed, and referrers are found without the path itself", async (pathInfos) => {
      await pathInfos.put([
        info(a, { references: [a] }),
        info(b, { references: [a] }),
        info(c, { references: [a, b] }),
      ]);
      const listed = await Array.fromAsync(pathInfos.list());
      assert.deepEqual(listed.map(({ path }) => `${path}`).sort(), [`${a}`, `${b}`, `${c}`]);
      const names = async (path: StorePath) => (await pathInfos.referrers(path)).map(String).sort();
      assert.deepEqual(await names(a), [`${b}`, `${c}`]);
      assert.deepEqual(await names(b), [`${c}`]);
      assert.deepEqual(await names(c), []);
    });

    check("putting while a list is read is possible", async (pathInfos) => {
      await pathInfos.put([info(a), info(b)]);
      let met = 0;
      for await (const _ of pathInfos.list()) {
        met++;
        await pathInfos.put([info(c)]);
      }
      assert.ok(met >= 2);
    });

    check("an aborted signal rejects with its reason", async (pathInfos) => {
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      await assert.rejects(async () => pathInfos.get(a.hashPart, { signal }), reason);
      await assert.rejects(async () => pathInfos.put([info(a)], { signal }), reason);
    });
  });
}
