import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf } from "@firn/base";
import { Directory, MemoryBlobs, MemoryDirectories, MemoryLeases, type Node } from "@firn/castore";
import type { Circumstances } from "../src/difference-causes.ts";
import { explainDifferences } from "../src/explain-differences.ts";

const LEFT: Circumstances = {
  startedAtMs: Date.UTC(2026, 6, 1, 10),
  endedAtMs: Date.UTC(2026, 6, 1, 10, 1),
  buildDirectory: "/build",
  cores: 2,
};
const RIGHT: Circumstances = { ...LEFT, buildDirectory: "/other" };

test("each file that differs is told with its causes", async () => {
  const leases = new MemoryLeases();
  const services = { blobs: new MemoryBlobs(leases), directories: new MemoryDirectories(leases) };
  const tree = async (files: Readonly<Record<string, string>>): Promise<Node> => {
    const entries = [];
    for (const [name, text] of Object.entries(files)) {
      const node: Node = text.startsWith("-> ")
        ? { kind: "symlink", target: text.slice(3) }
        : {
            kind: "file",
            digest: await services.blobs.put(bytesOf(text)),
            size: text.length,
            executable: false,
          };
      entries.push({ name, node });
    }
    const directory = new Directory(entries);
    return { kind: "directory", digest: await services.directories.put(directory), size: directory.size };
  };
  const padding = "x".repeat(100_000);
  const left = await tree({
    date: `${padding}made 2026-07-01${padding}`,
    list: "b\na\nc\n",
    link: "-> /build/x",
    only: "",
    same: "same",
  });
  const right = await tree({
    date: `${padding}made 2026-07-02${padding}`,
    list: "a\nb\nc\n",
    link: "-> /other/x",
    same: "same",
  });
  const outputs = (node: Node) => ({ outputs: [{ path: "out", node, needles: [] }] });
  const found = [];
  for await (const { difference, causes } of explainDifferences(
    outputs(left),
    outputs(right),
    { left: LEFT, right: RIGHT },
    services,
  )) {
    assert.equal(difference.kind, "tree");
    if (difference.kind !== "tree") continue;
    const { kind, path } = difference.difference;
    found.push([kind, path, difference.ranges.length, causes]);
  }
  assert.deepEqual(found, [
    ["changed", "date", 1, ["timestamp"]],
    ["changed", "link", 0, ["build-path"]],
    ["changed", "list", 1, ["order"]],
    ["removed", "only", 0, []],
  ]);
});
