import assert from "node:assert/strict";
import { test } from "node:test";
import { byteStringOf, bytesOf } from "@firn/base";
import { CastoreError, Directory, readBlob, type TreeImporter } from "@firn/castore";
import { fromHex, hashByteString, toHex } from "@firn/hash";
import { makeFixedOutputPath, makeTextPath, parseAbsoluteStorePath, printContentAddress } from "@firn/nix-compat";
import { calculateNar, type PathInfo } from "@firn/store";
import type { PendingObject } from "../src/pending.ts";
import { type WriteProgress, writePending } from "../src/write-pending.ts";
import { derive, fileOf, memoryStores, type Written } from "./derivations.ts";

const now = () => 5000;

function textObject(name: string, text: string, references: readonly PendingObject[] = []): PendingObject {
  const paths = references.map(({ path }) => path).sort();
  const path = makeTextPath(
    name,
    text,
    paths.map((reference) => parseAbsoluteStorePath(reference)),
  ).absolute();
  return { kind: "text", path, text, references: paths };
}

function sourceObject(
  name: string,
  hostPath: string,
  method: "nar" | "flat",
  sha256: string,
  included?: readonly string[],
): PendingObject {
  const hash = { algorithm: "sha256", bytes: fromHex(sha256) as Uint8Array } as const;
  return {
    kind: "source",
    path: makeFixedOutputPath({ method, hash, name }).absolute(),
    hostPath,
    method,
    sha256,
    included,
  };
}

test("texts and derivations become files with references, text address and NAR hash, in whatever order they come", async () => {
  const stores = memoryStores();
  const base = textObject("base", "one\xff\0");
  const next = textObject("next", "two", [base]);
  const last = textObject("last", "three", [next, base]);
  await writePending([last, next, base, last], stores, { now });
  const info = (await stores.pathInfos.get(last.path.slice(11, 43))) as PathInfo;
  assert.deepEqual(
    info.references.map((path) => path.absolute()),
    [base.path, next.path].sort(),
  );
  assert.match(printContentAddress(info.contentAddress as never), /^text:sha256:/);
  assert.equal(info.registeredAt, 5);
  const { narSha256, narSize } = await calculateNar(info.node, stores);
  assert.deepEqual([info.narSize, info.narSha256], [narSize, narSha256]);
  const first = (await stores.pathInfos.get(base.path.slice(11, 43))) as PathInfo;
  assert.ok(first.node.kind === "file" && !first.node.executable);
  assert.equal(byteStringOf(await readBlob(stores.blobs, first.node.digest, 100)), "one\xff\0");
});

test("thousands of derivations take one put of path infos for each thousand, and nothing the second time", async () => {
  const stores = memoryStores();
  const chain: Written[] = [];
  for (let i = 0; i < 1500; i++) chain.push(derive(`step-${i}`, { inputs: chain.slice(-2) }));
  let puts = 0;
  let blobs = 0;
  const put = stores.pathInfos.put.bind(stores.pathInfos);
  stores.pathInfos.put = (infos, options) => {
    puts++;
    return put(infos, options);
  };
  const putBlob = stores.blobs.put.bind(stores.blobs);
  stores.blobs.put = (bytes, options) => {
    blobs++;
    return putBlob(bytes, options);
  };
  const objects = chain.map(({ pending }) => pending).reverse();
  const reports: WriteProgress[] = [];
  await writePending(objects, stores, { now, onProgress: (progress) => reports.push(progress) });
  assert.deepEqual([puts, blobs], [2, 1500]);
  assert.deepEqual(reports.at(-1), { done: 1500, total: 1500, source: undefined });
  await writePending(objects, stores, { now });
  assert.deepEqual([puts, blobs], [2, 1500]);
});

test("a source is copied as the filter chose, and gets its content address", async () => {
  const stores = memoryStores();
  stores.host.set("/home/caf\u00e9", { a: "kept", b: { c: "kept", d: "left out" }, e: { f: "left out" } });
  const inner = new Directory([{ name: "c", node: await fileOf(stores.blobs, "kept", true) }]);
  await stores.directories.put(inner);
  const root = new Directory([
    { name: "a", node: await fileOf(stores.blobs, "kept", true) },
    { name: "b", node: inner.node },
  ]);
  await stores.directories.put(root);
  const sha256 = toHex((await calculateNar(root.node, stores)).narSha256);
  const source = sourceObject("tree", "/home/caf\xc3\xa9", "nar", sha256, ["a", "b", "b/c"]);
  await writePending([source], stores, { now });
  const info = await stores.pathInfos.get(source.path.slice(11, 43));
  assert.deepEqual(info?.node, root.node);
  assert.match(printContentAddress(info?.contentAddress as never), /^fixed:r:sha256:/);
  assert.deepEqual(info?.references, []);
});

test("a flat source is its contents alone, never executable", async () => {
  const stores = memoryStores();
  stores.host.set("/script", "#!/bin/sh");
  const source = sourceObject("script", "/script", "flat", toHex(hashByteString("sha256", "#!/bin/sh")));
  await writePending([source], stores, { now });
  const info = await stores.pathInfos.get(source.path.slice(11, 43));
  assert.deepEqual(info?.node, await fileOf(stores.blobs, "#!/bin/sh", false));
  assert.match(printContentAddress(info?.contentAddress as never), /^fixed:sha256:/);
});

test("a source that is another one now is an error and is not registered", async () => {
  const stores = memoryStores();
  stores.host.set("/file", "after");
  stores.host.set("/folder", { a: "b" });
  const before = toHex(hashByteString("sha256", "before"));
  for (const [hostPath, method] of [
    ["/file", "flat"],
    ["/file", "nar"],
    ["/folder", "flat"],
    ["/folder", "nar"],
  ] as const) {
    const source = sourceObject("x", hostPath, method, before);
    await assert.rejects(writePending([source], stores, { now }), {
      code: "changed",
      message: new RegExp(`^'${hostPath}' changed during the evaluation`),
    });
    assert.equal(await stores.pathInfos.get(source.path.slice(11, 43)), undefined);
  }
});

test("what the importer says about a change or a disk is passed on as what it is", async () => {
  const source = sourceObject("x", "/x", "nar", "0".repeat(64));
  const importing = (error: Error): TreeImporter => ({ importTree: () => Promise.reject(error) });
  const stores = memoryStores();
  const changing = { ...stores, importer: importing(new CastoreError("changed", "/x/y changed while it was read")) };
  await assert.rejects(writePending([source], changing, { now }), {
    name: "GlueError",
    code: "changed",
    message: /\/x\/y changed while/,
  });
  const broken = { ...stores, importer: importing(new CastoreError("storage", "disk full")) };
  await assert.rejects(writePending([source], broken, { now }), { name: "CastoreError", code: "storage" });
});

test("a host path that is no UTF-8 is refused, since importers take text", async () => {
  const source = sourceObject("x", "/home/caf\xe9", "nar", "0".repeat(64));
  await assert.rejects(writePending([source], memoryStores(), { now }), {
    code: "unsupported",
    message: /is not UTF-8/,
  });
});

test("a signal that fired stops it before anything is written", async () => {
  const stores = memoryStores();
  const reason = new Error("stop");
  const text = textObject("t", byteStringOf(bytesOf("x")));
  await assert.rejects(
    writePending([text], stores, { now, signal: AbortSignal.abort(reason) }),
    (thrown) => thrown === reason,
  );
  assert.equal(await stores.pathInfos.get(text.path.slice(11, 43)), undefined);
});
