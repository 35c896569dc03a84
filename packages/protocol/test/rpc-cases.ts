/* One request for every method that a served store has, as JSON, and what its answer holds: for peers that share no code with us. */

import assert from "node:assert/strict";
import { bytesOf } from "@firn/base";
import { recipeDigest } from "@firn/build";
import { bytesOfDigest, Directory, digestOf } from "@firn/castore";
import { fromNixBase32, toBase64 } from "@firn/hash";
import { parseStorePath } from "@firn/nix-compat";
import { recipeOf } from "../../build/test/recipes.ts";
import type { openServed } from "./served.ts";

export type RpcCase = {
  readonly method: string;
  readonly requests: readonly object[];
  /** Equal to the messages that come, after what is not in here was left out; a text may be told by a pattern. */
  readonly answers: readonly object[];
  /** It goes on after these answers until it is given up. */
  readonly isEndless?: true;
};

const CONTENTS = bytesOf("contents of a blob");
const blob = toBase64(bytesOfDigest(digestOf(CONTENTS)));
const absent = toBase64(new Uint8Array(32).fill(7));
const directory = new Directory([
  { name: "f", node: { kind: "file", digest: digestOf(CONTENTS), size: CONTENTS.length, executable: true } },
]);
const directoryDigest = toBase64(bytesOfDigest(directory.digest));
const name = "0123456789abcdfghijklmnpqrsvwxyz-hello";
const path = parseStorePath(name);
const hashPart = toBase64(fromNixBase32(path.hashPart) as Uint8Array);
const narSha256 = toBase64(new Uint8Array(32).fill(3));
const directoryMessage = {
  files: [{ name: toBase64(bytesOf("f")), digest: blob, size: String(CONTENTS.length), executable: true }],
};

const said = recipeOf({ argv: ["/bin/sh", "say"] });
const SAID = "attempt-1";
const REFUSED = "attempt-2";

/** Puts what the cases ask for. */
export async function fill({ store }: Awaited<ReturnType<typeof openServed>>): Promise<void> {
  for (const id of [SAID, REFUSED]) {
    assert.deepEqual(await store.builds.submit([{ recipe: said, label: id }]), [id]);
    await Array.fromAsync(store.builds.watch(id));
  }
  await store.upkeep.roots.addRoot("kept", path);
  await store.upkeep.roots.addRoot("it", path);
  await store.blobs.put(CONTENTS);
  await store.directories.put(directory);
  const rest = { deriver: undefined, contentAddress: undefined, signatures: [], registeredAt: 5 };
  await store.pathInfos.put([
    { path, node: directory.node, narSha256: new Uint8Array(32).fill(3), narSize: 200, references: [], ...rest },
  ]);
}

function ofDialect(dialect: "snix" | "tvix", entry: "entry" | "node"): readonly RpcCase[] {
  const blobs = `${dialect}.castore.v1.BlobService`;
  const directories = `${dialect}.castore.v1.DirectoryService`;
  const pathInfos = `${dialect}.store.v1.PathInfoService`;
  const named = { name: toBase64(bytesOf(name)), digest: directoryDigest, size: "2" };
  const pathInfo = { [entry]: { directory: named }, narinfo: { narSize: "200", narSha256 } };
  return [
    { method: `${blobs}/Stat`, requests: [{ digest: blob }], answers: [{}] },
    { method: `${blobs}/Read`, requests: [{ digest: blob }], answers: [{ data: toBase64(CONTENTS) }] },
    {
      method: `${blobs}/Put`,
      requests: [{ data: toBase64(CONTENTS.subarray(0, 4)) }, { data: toBase64(CONTENTS.subarray(4)) }],
      answers: [{ digest: blob }],
    },
    {
      method: `${directories}/Get`,
      requests: [{ digest: directoryDigest, recursive: true }],
      answers: [directoryMessage],
    },
    { method: `${directories}/Put`, requests: [directoryMessage], answers: [{ rootDigest: directoryDigest }] },
    { method: `${pathInfos}/Get`, requests: [{ byOutputHash: hashPart }], answers: [pathInfo] },
    { method: `${pathInfos}/Put`, requests: [pathInfo], answers: [pathInfo] },
    { method: `${pathInfos}/List`, requests: [{}], answers: [pathInfo] },
    {
      method: `${pathInfos}/CalculateNAR`,
      requests: [{ directory: { digest: directoryDigest, size: "2" } }],
      answers: [{ narSize: "336" }],
    },
  ];
}

const firnInfo = { info: { entry: {}, narinfo: { narSize: "200" } }, registeredAt: "5" };
const content = "firn.castore.v1.ContentService";
const firnPaths = "firn.store.v1.PathInfoService";
const upkeep = "firn.store.v1.UpkeepService";
const builds = "firn.build.v1.BuildService";
const saidDigest = toBase64(bytesOfDigest(recipeDigest(said)));
const saidMessage = {
  argv: said.argv.map((one) => toBase64(bytesOf(one))),
  workingDirectory: toBase64(bytesOf(said.workingDirectory)),
  outputs: said.outputs.map((one) => toBase64(bytesOf(one))),
  constraints: { system: "x86_64-linux", shell: true },
};
const buildRequest = {
  commandArgs: said.argv,
  workingDir: said.workingDirectory,
  outputs: said.outputs,
  constraints: { system: "x86_64-linux", provideBinSh: true },
};

export const RPC_CASES: readonly RpcCase[] = [
  ...ofDialect("snix", "entry"),
  ...ofDialect("tvix", "node"),
  {
    method: `${content}/Missing`,
    requests: [{ blobs: absent, directories: directoryDigest }],
    answers: [{ blobs: absent }],
  },
  {
    method: `${content}/StatBlobs`,
    requests: [{ digests: blob, sendChunks: true }],
    answers: [{ blobs: [{ isPresent: true, size: String(CONTENTS.length) }] }],
  },
  {
    method: `${content}/ReadSlice`,
    requests: [{ digest: blob, from: "0", to: "4" }],
    answers: [{ data: toBase64(Uint8Array.of(CONTENTS.length, 0, 0, 0, 0, 0, 0, 0, ...CONTENTS)) }],
  },
  {
    method: `${content}/ReadBlobs`,
    requests: [{ digests: blob }],
    answers: [{ data: toBase64(CONTENTS), isEnd: true }],
  },
  {
    method: `${content}/PutBlobs`,
    requests: [{ known: blob }, { end: blob }, { data: toBase64(CONTENTS) }, { end: blob }],
    answers: [
      { digests: toBase64(Buffer.concat([bytesOfDigest(digestOf(CONTENTS)), bytesOfDigest(digestOf(CONTENTS))])) },
    ],
  },
  {
    method: `${content}/Outboard`,
    requests: [{ digest: blob }],
    answers: [{ data: toBase64(Uint8Array.of(CONTENTS.length, 0, 0, 0, 0, 0, 0, 0)) }],
  },
  { method: `${firnPaths}/Get`, requests: [{ hashPart }], answers: [{ pathInfo: firnInfo }] },
  { method: `${firnPaths}/List`, requests: [{}], answers: [{ pathInfo: firnInfo }] },
  { method: `${firnPaths}/Put`, requests: [], answers: [{}] },
  { method: `${firnPaths}/Referrers`, requests: [{ path: name }], answers: [{}] },
  { method: `${firnPaths}/Closure`, requests: [{ roots: hashPart }], answers: [{ pathInfo: firnInfo }] },
  { method: `${firnPaths}/MissingPaths`, requests: [{ paths: [name] }], answers: [{}] },
  { method: `${upkeep}/AddRoot`, requests: [{ name: "it", path: name }], answers: [{}] },
  { method: `${upkeep}/ListRoots`, requests: [{}], answers: [{ name: "kept", path: name }, { name: /./ }] },
  { method: `${upkeep}/RemoveRoot`, requests: [{ link: "/no/such/link" }], answers: [{}] },
  {
    method: `${upkeep}/CollectGarbage`,
    requests: [{ dryRun: true, maxFreedBytes: "100" }],
    answers: [
      { progress: { phase: "mark", done: "7" } },
      { deadPaths: { paths: [/-gone$/] } },
      { result: { livePaths: "2", freedBytes: "6", markMs: 0.5 } },
    ],
  },
  { method: `${builds}/Supports`, requests: [{}], answers: [{ systems: ["x86_64-linux"], isolatesFiles: true }] },
  {
    method: `${builds}/Submit`,
    requests: [{ options: { keepsGoing: true }, recipe: saidMessage, label: "first" }, { recipe: saidMessage }],
    answers: [{ submission: /^[0-9a-f-]{36}$/, attempts: [/^attempt-/, /^attempt-/] }],
  },
  { method: `${builds}/Withdraw`, requests: [{ submission: "none" }], answers: [{}] },
  {
    method: `${builds}/Watch`,
    requests: [{ id: SAID, from: "2" }],
    answers: [
      { started: { id: SAID } },
      { log: { bytes: toBase64(bytesOf("id\n")), at: "5" } },
      { ended: { status: "succeeded", outputs: [{ node: { file: { size: "4" } } }] } },
    ],
  },
  { method: `${builds}/Cancel`, requests: [{ id: SAID }], answers: [{}] },
  { method: `${builds}/Refuse`, requests: [{ id: REFUSED, reason: "check-failed", why: "no" }], answers: [{}] },
  {
    method: `${builds}/GetAttempt`,
    requests: [{ id: SAID }],
    answers: [{ attempt: { label: SAID, recipe: saidDigest, end: { reason: "succeeded" } } }],
  },
  { method: `${builds}/ListAttempts`, requests: [{ label: SAID }], answers: [{ attempts: [{ id: SAID }] }] },
  {
    method: `${builds}/GetRecipe`,
    requests: [{ digest: saidDigest }],
    answers: [{ recipe: saidMessage }],
  },
  {
    method: "snix.build.v1.BuildService/DoBuild",
    requests: [buildRequest],
    answers: [{ outputs: [{ output: { file: { size: "4" } } }] }],
  },
  {
    method: "tvix.build.v1.BuildService/DoBuild",
    requests: [buildRequest],
    answers: [{ buildRequest, outputs: [{ file: { name: toBase64(bytesOf("out")), size: "4" } }] }],
  },
  {
    method: "firn.castore.v1.LeaseService/Hold",
    requests: [{ label: "l" }],
    answers: [{ leaseId: /./ }],
    isEndless: true,
  },
  { method: "grpc.health.v1.Health/Check", requests: [{}], answers: [{ status: "SERVING" }] },
  { method: "grpc.health.v1.Health/Watch", requests: [{}], answers: [{ status: "SERVING" }], isEndless: true },
  ...["v1", "v1alpha"].map((version) => ({
    method: `grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    requests: [{ listServices: "" }, { fileContainingSymbol: "none.at.all" }],
    answers: [{ listServicesResponse: {} }, { errorResponse: { errorCode: 5 } }],
  })),
];

/** `value` without what `pattern` does not have. */
export function restrictedTo(value: unknown, pattern: unknown): unknown {
  if (pattern instanceof RegExp) return pattern.test(String(value)) ? pattern : value;
  if (Array.isArray(pattern) && Array.isArray(value)) return value.map((one, i) => restrictedTo(one, pattern[i]));
  if (typeof pattern !== "object" || pattern === null || typeof value !== "object" || value === null) return value;
  const entries = Object.entries(pattern).map(([key, inner]) => [
    key,
    restrictedTo((value as Record<string, unknown>)[key], inner),
  ]);
  return Object.fromEntries(entries);
}
