/* What is asked of trees and closures: what differs, why one path needs another, what they take. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type ChunkMeta,
  diffFiles,
  diffTrees,
  type Digest,
  type FileNode,
  readOnlyBlobs,
  type TreeDifference,
} from "@firn/castore";
import { diskUsage, needPathInfo, whyDepends } from "@firn/store";
import fc from "fast-check";
import { chainStore, fileNode, memoryStore, pathOf, register, treeNode } from "./small-store.ts";

describe("a difference of trees", () => {
  const shown = (one: TreeDifference) => `${one.kind} ${one.path}`;
  test("lists what was added, removed and changed, and does not look into what is equal", async () => {
    const services = memoryStore();
    const left = await treeNode(services, {
      same: { deep: "x" },
      gone: "1",
      text: "a",
      link: "->a",
      kind: "file",
      dir: { a: "1", b: "2" },
    });
    const right = await treeNode(services, {
      same: { deep: "x" },
      text: "b",
      link: "->b",
      kind: { now: "dir" },
      dir: { b: "3", c: "4" },
      new: "5",
    });
    const same = (await treeNode(services, { deep: "x" })) as { digest: Digest };
    const directories = Object.create(services.directories, {
      get: {
        value: (digest: Digest) => {
          assert.notEqual(digest, same.digest);
          return services.directories.get(digest);
        },
      },
    });
    const both = { left: { ...services, directories }, right: { ...services, directories } };
    const differences = (await Array.fromAsync(diffTrees(left, right, both))).map(shown);
    assert.deepEqual(differences, [
      "removed dir/a",
      "changed dir/b",
      "added dir/c",
      "removed gone",
      "changed kind",
      "changed link",
      "added new",
      "changed text",
    ]);
    assert.deepEqual(await Array.fromAsync(diffTrees(left, left, both)), []);
    const roots = await Array.fromAsync(
      diffTrees(await fileNode(services, "x"), await fileNode(services, "x", true), both),
    );
    assert.deepEqual(roots.map(shown), ["changed "]);
  });

  const compare = async (left: Uint8Array, right: Uint8Array, rangesMax = 100) => {
    const services = memoryStore();
    const nodes = [await fileNode(services, left), await fileNode(services, right)] as FileNode[];
    return diffFiles(nodes[0], nodes[1], { left: services, right: services }, rangesMax);
  };

  test("names ranges of files of one length, near ones as one", async () => {
    const left = new Uint8Array(700_000);
    const right = new Uint8Array(left);
    for (const at of [5, 6, 15, 300_000, 699_999]) right[at] = 1;
    const ranges = await compare(left, right);
    assert.deepEqual(
      ranges.map(({ left: { from, to } }) => [from, to]),
      [
        [5, 16],
        [300_000, 300_001],
        [699_999, 700_000],
      ],
    );
    assert.deepEqual(
      (await compare(left, right, 2)).map(({ right: { from, to } }) => [from, to]),
      [
        [5, 16],
        [300_000, 700_000],
      ],
    );
    assert.deepEqual(await compare(left, new Uint8Array(left)), []);
  });

  test("of files of other lengths says what stands between beginning and end", async () => {
    const text = (value: string) => new TextEncoder().encode(value);
    assert.deepEqual(await compare(text("hello world"), text("hello new world")), [
      { left: { from: 6, to: 6 }, right: { from: 6, to: 10 } },
    ]);
    assert.deepEqual(await compare(text(""), text("abc")), [{ left: { from: 0, to: 0 }, right: { from: 0, to: 3 } }]);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ max: 2, maxLength: 40 }),
        fc.uint8Array({ max: 2, maxLength: 40 }),
        async (left, right) => {
          const ranges = await compare(left, right);
          // Taking the right side's bytes where ranges say so makes the right file of the left one.
          const made: number[] = [];
          let at = 0;
          for (const range of ranges) {
            made.push(...left.subarray(at, range.left.from), ...right.subarray(range.right.from, range.right.to));
            at = range.left.to;
          }
          made.push(...left.subarray(at));
          assert.deepEqual(made, [...right]);
        },
      ),
    );
  });
});

test("insertions into a file of many chunks are ranges of their own, however often chunks repeat", async () => {
  // Chunks of two bytes, cut after every x or X, so that equal pieces are equal chunks.
  const chunked = async (services: ReturnType<typeof memoryStore>, text: string) => {
    const node = (await fileNode(services, text)) as FileNode;
    const list: ChunkMeta[] = [];
    for (const piece of text.match(/[^x]*x|[^x]+$/g) ?? []) {
      const { digest, size } = (await fileNode(services, piece)) as FileNode;
      list.push({ digest, size });
    }
    return { node, list };
  };
  const compare = async (left: string, right: string) => {
    const services = memoryStore();
    const [a, b] = [await chunked(services, left), await chunked(services, right)];
    const blobs = {
      ...readOnlyBlobs(services.blobs),
      chunks: async (digest: Digest) => (digest === a.node.digest ? a.list : b.list),
    };
    const both = { left: { ...services, blobs }, right: { ...services, blobs } };
    return diffFiles(a.node, b.node, both, 100);
  };
  const long = Array.from({ length: 20 }, (_, i) => `piece ${i} of the text, long enough to be apart from others x`);
  const changed = [...long.slice(0, 5), "inserted x", ...long.slice(5, 12), ...long.slice(13)];
  const ranges = await compare(long.join(""), changed.join(""));
  assert.equal(ranges.length, 2);
  assert.deepEqual([ranges[0].left.to - ranges[0].left.from, ranges[0].right.to - ranges[0].right.from], [0, 10]);
  assert.deepEqual(
    [ranges[1].left.to - ranges[1].left.from, ranges[1].right.to - ranges[1].right.from],
    [long[12].length, 0],
  );
  const text = fc.array(fc.constantFrom("ax", "bx", "cx", "dd", "longer piece x", "x"), { maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(text, text, async (one, other) => {
      const [left, right] = [one.join(""), other.join("")];
      let made = "";
      let at = 0;
      for (const range of await compare(left, right)) {
        made += left.slice(at, range.left.from) + right.slice(range.right.from, range.right.to);
        at = range.left.to;
      }
      assert.equal(made + left.slice(at), right);
    }),
    { numRuns: 300 },
  );
});

describe("why a path needs another", () => {
  const options = { mentionsMax: 10 };
  test("is told by a shortest way and the files that name the next path", async () => {
    const services = await chainStore();
    const steps = await whyDepends(pathOf("d"), pathOf("a"), services, options);
    assert.deepEqual(
      steps?.map(({ from, to }) => `${from.path.name} ${to.path.name}`),
      ["name-d name-c", "name-c name-a"],
    );
    assert.deepEqual(steps?.[0].mentions, [{ path: "", at: 5, excerpt: `uses ${pathOf("c")}` }]);
    assert.deepEqual(
      steps?.[1].mentions.map(({ path, at }) => [path, at]),
      [["a", 0]],
    );
    const viaLink = await whyDepends(pathOf("c"), pathOf("b"), services, options);
    assert.deepEqual(
      viaLink?.[0].mentions.map(({ path, at }) => [path, at]),
      [["link", 11]],
    );
  });
  test("has no answer where it does not, an empty one for itself", async () => {
    const services = await chainStore();
    assert.equal(await whyDepends(pathOf("a"), pathOf("d"), services, options), undefined);
    assert.deepEqual(await whyDepends(pathOf("a"), pathOf("a"), services, options), []);
    await assert.rejects(whyDepends(pathOf("z"), pathOf("a"), services, options), { code: "missing" });
  });
  test("finds a name that lies across chunks of a file, and stops at the limit", async () => {
    const services = memoryStore();
    const { path } = await register(services, "a", { kind: "symlink", target: "x" });
    const long = new Uint8Array(200_000).fill(46);
    long.set(new TextEncoder().encode(`${path}`), 65_536 - 7);
    const files = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`f${i}`, long]));
    await register(services, "b", await treeNode(services, files), "a");
    const steps = await whyDepends(pathOf("b"), pathOf("a"), services, { mentionsMax: 3 });
    assert.deepEqual(
      steps?.[0].mentions.map(({ path: file, at }) => [file, at]),
      [
        ["f0", 65_529],
        ["f1", 65_529],
        ["f2", 65_529],
      ],
    );
  });
});

test("usage tells logical, unique and chunk bytes, and what is a path's own", async () => {
  const services = memoryStore();
  const chunks = new Map<string, readonly ChunkMeta[]>();
  const blobs = Object.create(services.blobs, {
    chunks: { value: async (digest: Digest) => chunks.get(digest) ?? [] },
  });
  const [x, y, z] = ["1", "2", "3"].map((digit, i) => ({ digest: digit.repeat(64) as Digest, size: 1000 * (i + 1) }));
  const big = (await fileNode(services, new Uint8Array(3000).fill(1))) as FileNode;
  const bigger = (await fileNode(services, new Uint8Array(4000).fill(2))) as FileNode;
  chunks.set(big.digest, [x, y]);
  chunks.set(bigger.digest, [x, z]);
  const a = await register(
    services,
    "a",
    await treeNode(services, {
      one: new Uint8Array(3000).fill(1),
      again: { one: new Uint8Array(3000).fill(1) },
      small: "12345",
    }),
  );
  const b = await register(
    services,
    "b",
    await treeNode(services, { two: new Uint8Array(4000).fill(2), small: "12345" }),
  );
  const usage = await diskUsage([a, b], { ...services, blobs });
  assert.deepEqual(
    usage.paths.map(({ files, logicalBytes, uniqueBytes, chunkBytes, ownBytes }) => ({
      files,
      logicalBytes,
      uniqueBytes,
      chunkBytes,
      ownBytes,
    })),
    [
      { files: 3, logicalBytes: 6005, uniqueBytes: 3005, chunkBytes: 3005, ownBytes: 2000 },
      { files: 2, logicalBytes: 4005, uniqueBytes: 4005, chunkBytes: 4005, ownBytes: 3000 },
    ],
  );
  assert.deepEqual(usage.total, { files: 5, logicalBytes: 10_010, uniqueBytes: 7005, chunkBytes: 6005 });
  assert.equal((await needPathInfo(pathOf("a"), services.pathInfos)).path.name, "name-a");
});
