/* Paths go to a daemon and come back from it in every version of the protocol that has other forms; what it says is checked. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { NixDaemonError, openNixDaemon } from "@firn/backend-nix-daemon";
import { generateSecretKey, type StorePath } from "@firn/nix-compat";
import {
  bringPaths,
  closureOf,
  copyPaths,
  type Offer,
  type PathInfo,
  signPathInfo,
  type StoreServices,
  type Substituter,
} from "@firn/store";
import { fileNode, pathOf, register, treeNode } from "../../store/test/small-store.ts";
import { type DaemonPair, daemonPair, memoryStores } from "../../gateway/test/daemon-pair.ts";

async function withPair(body: (pair: DaemonPair) => Promise<void>, more = {}): Promise<void> {
  const pair = await daemonPair(more);
  try {
    await body(pair);
  } finally {
    await pair.close();
  }
}

/** c -> b -> a, c -> c, in a store of its own. */
async function chain(): Promise<StoreServices> {
  const stores = memoryStores();
  await register(stores, "a", await fileNode(stores, "contents of a"));
  const files = { f: "x".repeat(100_000), l: "->f", d: { e: "", "\xff": "odd" } };
  await register(stores, "b", await treeNode(stores, files), "a");
  await register(stores, "c", await fileNode(stores, new Uint8Array(300_000).fill(7), true), "bc");
  return stores;
}

const roots = [pathOf("c")];
const copied = { registeredAt: 5 };

describe("a Nix daemon as a store", () => {
  for (const version of [18, 21, 22, 23, 31, 32, 34, 37, 38, 39]) {
    test(`a closure goes there and comes back whole by 1.${version}`, async () => {
      await withPair(async ({ remote, connect }) => {
        const { daemon, near } = await connect({ version });
        const source = await chain();
        const target = { ...near, pathInfos: daemon.pathInfos };
        const { copied: sent } = await copyPaths(roots, source, target, copied);
        assert.deepEqual(
          sent.map(String),
          ["a", "b", "c"].map((letter) => `${pathOf(letter)}`),
        );
        const known = await closureOf(roots, remote.pathInfos);
        const expected = (await closureOf(roots, source.pathInfos)).map((info) => ({
          ...info,
          registeredAt: 1_700_000_000,
        }));
        assert.deepEqual(
          known,
          expected.map((info) => ({ deriver: undefined, contentAddress: undefined, ...info })),
        );
        const other = await connect({ version });
        const back = memoryStores();
        await copyPaths(roots, { ...other.near, pathInfos: other.daemon.pathInfos }, back, copied);
        for (const { path, node } of expected)
          assert.deepEqual((await back.pathInfos.get(path.hashPart))?.node, node, `${path}`);
      });
    });
  }

  test("all are listed, referrers are found without the path itself, what is not there is not", async () => {
    await withPair(async ({ remote, connect }) => {
      const source = await chain();
      await copyPaths(roots, source, remote, copied);
      const { daemon } = await connect();
      const listed = (await Array.fromAsync(daemon.pathInfos.list())).map(({ path }) => `${path}`);
      assert.deepEqual(
        listed.sort(),
        ["a", "b", "c"].map((letter) => `${pathOf(letter)}`),
      );
      assert.deepEqual((await daemon.pathInfos.referrers(pathOf("a"))).map(String), [`${pathOf("b")}`]);
      assert.deepEqual(await daemon.pathInfos.referrers(pathOf("c")), []);
      assert.deepEqual(await daemon.pathInfos.referrers(pathOf("d")), []);
      assert.equal(await daemon.pathInfos.get(pathOf("d").hashPart), undefined);
    });
  });

  test("what is put again merges signatures, other contents are a conflict, references must be there", async () => {
    await withPair(async ({ remote, connect }) => {
      const { daemon, near } = await connect();
      const key = await generateSecretKey("key-1");
      const info = await register(near, "a", await fileNode(near, "x"));
      await daemon.pathInfos.put([info]);
      const signed = await signPathInfo(info, [key]);
      await daemon.pathInfos.put([signed]);
      const kept = (await remote.pathInfos.get(info.path.hashPart)) as PathInfo;
      assert.deepEqual(
        kept.signatures.map(({ keyName, scheme }) => [keyName, scheme]),
        [["key-1", undefined]],
      );
      const other = { ...info, narSha256: new Uint8Array(32) };
      await assert.rejects(daemon.pathInfos.put([other]), { code: "conflict" });
      const lonely: PathInfo = { ...info, path: pathOf("b"), references: [pathOf("c")] };
      await assert.rejects(daemon.pathInfos.put([lonely]), { code: "missing" });
    });
  });

  test("a copy from it that breaks keeps the paths that came, and the next one asks for the others only", async () => {
    await withPair(async ({ remote, connect }) => {
      await copyPaths(roots, await chain(), remote, copied);
      const { daemon, near } = await connect();
      const taken: string[] = [];
      const breaking = (name: string): Substituter => ({
        label: "daemon",
        priority: async () => 0,
        offer: async (hashPart, options) => {
          const offer = await daemon.paths.offer(hashPart, options);
          const take: Offer["take"] = async (to, takeOptions) => {
            if (offer?.described.path.name === name) throw new NixDaemonError("unreachable", "it broke");
            taken.push(hashPart[0]);
            return await daemon.paths.take(
              offer?.described.path as StorePath,
              offer?.described as never,
              to,
              takeOptions,
            );
          };
          return offer && { ...offer, take };
        },
      });
      await assert.rejects(bringPaths(roots, breaking("name-c"), near, copied), { code: "unreachable" });
      const there = async () => (await Array.fromAsync(near.pathInfos.list())).map(({ path }) => path.name).sort();
      assert.deepEqual(
        [await there(), taken.sort()],
        [
          ["name-a", "name-b"],
          ["a", "b"],
        ],
      );
      const { copied: later, paths } = await bringPaths(roots, breaking("none"), near, copied);
      assert.deepEqual([later.map(String), paths, taken], [roots.map(String), 1, ["a", "b", "c"]]);
      await assert.rejects(bringPaths([pathOf("f")], daemon.paths, near, copied), { code: "missing" });
      await daemon.close();
    });
  });

  test("contents that are in the castore are not asked for again", async () => {
    await withPair(async ({ remote, connect }) => {
      await copyPaths(roots, await chain(), remote, copied);
      const { daemon, near } = await connect();
      let written = 0;
      const { openWrite } = near.blobs;
      near.blobs.openWrite = (options) => {
        written++;
        return openWrite.call(near.blobs, options);
      };
      const first = await daemon.pathInfos.get(pathOf("c").hashPart);
      assert.ok(written > 0);
      written = 0;
      assert.deepEqual(await daemon.pathInfos.get(pathOf("c").hashPart), first);
      assert.equal(written, 0);
    });
  });

  test("contents that are not what the daemon says are refused", async () => {
    const stores = memoryStores();
    const info = await register(stores, "a", await fileNode(stores, "true"));
    const lying: PathInfo = { ...info, node: await fileNode(stores, "fals") };
    const pathInfos = {
      supports: { write: false, list: false },
      get: async (hashPart: string) => (hashPart === info.path.hashPart ? lying : undefined),
      put: async () => {},
      list: async function* () {},
      referrers: async () => [],
    };
    await withPair(
      async ({ connect }) => {
        const { daemon } = await connect();
        await assert.rejects(daemon.pathInfos.get(info.path.hashPart), { code: "mismatch" });
        // The connection that was left in the middle of a NAR is not used again.
        assert.equal(await daemon.pathInfos.get(pathOf("b").hashPart), undefined);
      },
      { services: { ...stores, pathInfos } },
    );
  });

  test("an aborted signal rejects with its reason, before and during", async () => {
    await withPair(async ({ remote, connect }) => {
      await copyPaths(roots, await chain(), remote, copied);
      const { daemon } = await connect();
      const reason = new Error("enough");
      const aborted = AbortSignal.abort(reason);
      await assert.rejects(daemon.pathInfos.get(pathOf("c").hashPart, { signal: aborted }), reason);
      const controller = new AbortController();
      const getting = daemon.pathInfos.get(pathOf("c").hashPart, { signal: controller.signal });
      controller.abort(reason);
      await assert.rejects(getting, reason);
      assert.ok(await daemon.pathInfos.get(pathOf("c").hashPart));
    });
  });
});

test("a call that waits for a connection is aborted where it waits", async () => {
  const stores = memoryStores();
  const hold = Promise.withResolvers<void>();
  const pathInfos = Object.assign(Object.create(stores.pathInfos), {
    get: async (hashPart: string) => {
      await hold.promise;
      return await stores.pathInfos.get(hashPart);
    },
  });
  await withPair(
    async ({ connect }) => {
      const { daemon } = await connect();
      const busy = Array.from({ length: 4 }, () => daemon.pathInfos.get(pathOf("c").hashPart));
      const reason = new Error("enough");
      const controller = new AbortController();
      const waiting = daemon.pathInfos.get(pathOf("c").hashPart, { signal: controller.signal });
      controller.abort(reason);
      await assert.rejects(waiting, reason);
      hold.resolve();
      assert.deepEqual(await Promise.all(busy), Array(4).fill(undefined));
    },
    { services: { ...stores, pathInfos } },
  );
});

describe("what is no daemon", () => {
  const directory = mkdtempSync(join(tmpdir(), "firn-daemon-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const open = (socketPath: string) => openNixDaemon({ socketPath, castore: memoryStores() });

  test("is unreachable where nobody listens", async () => {
    writeFileSync(join(directory, "file"), "");
    for (const name of ["nothing", "file"]) {
      await assert.rejects(open(join(directory, name)), { code: "unreachable", retryable: true });
    }
  });

  const talkers: readonly (readonly [string, Buffer])[] = [
    ["says something else", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["ends at once", Buffer.alloc(0)],
    ["ends in the middle", Buffer.from("6f697864", "hex")],
    ["is too old", Buffer.from("6f69786400000000" + "1101000000000000", "hex")],
  ];
  for (const [what, bytes] of talkers) {
    test(`is refused when it ${what}`, async () => {
      const path = join(directory, what.replaceAll(" ", "-"));
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.end(bytes);
      });
      await new Promise<void>((resolve) => server.listen(path, resolve));
      await assert.rejects(open(path), (thrown: Error & { code?: string }) =>
        ["protocol", "unreachable"].includes(thrown.code ?? ""),
      );
      server.close();
    });
  }
});
