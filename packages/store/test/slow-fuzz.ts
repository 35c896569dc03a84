/*
Damaged and made-up inputs for everything in store and below that reads bytes from outside: narinfo, path infos, NARs, directories, closure archives, bao
slices, descriptions and URLs of services, keys. Each input must be read or refused with an error of ours, quickly. By hand: `npm run slow:fuzz [-- COUNT [SEED]]`.
*/

import assert from "node:assert/strict";
import { byteStringOf, bytesOf, concatBytes, FirnError } from "@firn/base";
import {
  decodeSlice,
  Directory,
  EMPTY_DIGEST,
  encodeSlice,
  MemoryBlobs,
  outboardOf,
  readComposition,
  readServiceUrl,
  ServiceRegistry,
} from "@firn/castore";
import {
  NarParser,
  NarWriter,
  parseDerivation,
  parseNarInfo,
  parsePublicKey,
  parseSecretKey,
  parseSignature,
  parseNixCacheInfo,
  printNarInfo,
  printNixCacheInfo,
  StorePath,
} from "@firn/nix-compat";
import {
  decodePathInfo,
  encodePathInfo,
  exportClosure,
  importClosure,
  narInfoOf,
  parseBuildTraceEntry,
  parseCastoreNarPath,
  printBuildTraceEntry,
  printCastoreNarPath,
  OPTIONAL_KINDS,
  storeServiceTypes,
} from "@firn/store";
import { Mutator } from "../../nix-compat/test/mutator.ts";
import { chainStore, memoryStore, pathOf } from "./small-store.ts";

const [count = 1_000_000, seed = Date.now() >>> 0] = process.argv.slice(2).map(Number);
const SLOW_MS = 1000;
process.stdout.write(`${count} inputs, seed ${seed}\n`);

const { mutated } = new Mutator(seed);
const services = await chainStore();
const info = await services.pathInfos.get(pathOf("c").hashPart);
assert.ok(info);
const nar: Uint8Array[] = [];
new NarWriter((chunk) => nar.push(new Uint8Array(chunk)))
  .startDirectory()
  .entry("a")
  .startFile(20, true)
  .contents(new Uint8Array(20))
  .entry("b")
  .symlink("target")
  .entry("c")
  .startDirectory()
  .endDirectory()
  .endDirectory()
  .finish();
const directory = new Directory([
  { name: "d", node: Directory.EMPTY.node },
  { name: "f", node: { kind: "file", digest: EMPTY_DIGEST, size: 300, executable: true } },
  { name: "l", node: { kind: "symlink", target: "somewhere" } },
]);
const registry = new ServiceRegistry(
  storeServiceTypes({ storeDir: "/nix/store", readText: async () => "" }),
  OPTIONAL_KINDS,
);
const document = JSON.stringify({
  blobservices: {
    root: { type: "cache", near: "a", far: "cache://?near=memory:&far=a" },
    a: { type: "memory", capacity: 3 },
  },
  directoryservices: { root: { type: "tiers", sources: ["m"] }, m: { type: "memory" } },
  pathinfoservices: {
    root: { type: "verify", inner: "m", public_keys: [], blob_service: "root", directory_service: "root" },
    m: { type: "lru" },
  },
});
const archive = concatBytes(await Array.fromAsync(exportClosure([pathOf("b")], services)));
async function* streamed(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

type Target = {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  readonly read: (bytes: Uint8Array) => unknown;
};
const text = (value: string) => bytesOf(value);
const at = (letter: string, name: string) => `/nix/store/${letter.repeat(32)}-${name}`;
const key = "do.not.use:cuXqnuzlWfGTKmfzBPx2kXShjRryZMhil2E2ngOpUdw=";
const drvPath = new StorePath("d".repeat(32), "x.drv");
const signature = { keyName: "k-1", bytes: new Uint8Array(64).fill(7) };
const targets: Target[] = [
  {
    name: "narinfo",
    seeds: [text(printNarInfo(narInfoOf(info, { url: "nar/x.nar.xz", compression: "xz", fileSize: 9 })))],
    read: (bytes) => parseNarInfo(byteStringOf(bytes)),
  },
  {
    name: "cache info",
    seeds: [text(printNixCacheInfo({ storeDir: "/nix/store", wantMassQuery: true, priority: 40 }))],
    read: (bytes) => parseNixCacheInfo(byteStringOf(bytes)),
  },
  {
    name: "build trace",
    seeds: [text(printBuildTraceEntry({ drvPath, output: "out", path: pathOf("a"), signatures: [signature] }))],
    read: (bytes) => parseBuildTraceEntry(byteStringOf(bytes), drvPath, "out"),
  },
  {
    name: "NAR address",
    seeds: [text(printCastoreNarPath(info) as string)],
    read: (bytes) => {
      const nar = parseCastoreNarPath(byteStringOf(bytes));
      if (nar !== undefined) assert.notEqual(printCastoreNarPath(nar), "");
    },
  },
  { name: "path info", seeds: [encodePathInfo(info)], read: (bytes) => decodePathInfo(bytes) },
  {
    name: "NAR",
    seeds: [concatBytes(nar)],
    read: (bytes) => {
      const parser = new NarParser();
      for (const _ of parser.feed(bytes));
      parser.end();
    },
  },
  { name: "directory", seeds: [directory.encoded], read: (bytes) => Directory.decode(bytes) },
  {
    name: "ATerm",
    seeds: [
      text(
        `Derive([("out","${at("a", "x")}","r:sha256","${"0".repeat(64)}")],[("${at("b", "y.drv")}",["out"])],["${at("c", "z")}"],"x86_64-linux","/bin/sh",["-c","a\\n\\"b"],[("k","v"),("out","${at("a", "x")}")])`,
      ),
    ],
    read: (bytes) => parseDerivation(byteStringOf(bytes), "x"),
  },
  {
    name: "service URL",
    seeds: [text("cache://?near=memory%3A&far=cache%3A%2F%2F%3Fnear%3Da%26far%3Db")],
    read: (bytes) => readServiceUrl("blobservices", byteStringOf(bytes), registry),
  },
  {
    name: "composition",
    seeds: [text(document)],
    read: (bytes) => {
      let parsed: unknown;
      try {
        parsed = JSON.parse(byteStringOf(bytes));
      } catch {
        return; // the parser of the text is not ours
      }
      readComposition(parsed, registry);
    },
  },
  {
    name: "keys",
    seeds: [text(key), text(`${key.slice(0, -1)}${"A".repeat(43)}=`)],
    read: (bytes) => {
      for (const parse of [parsePublicKey, parseSignature]) {
        try {
          parse(byteStringOf(bytes));
        } catch (thrown) {
          assert.ok(thrown instanceof FirnError);
        }
      }
      parseSecretKey(byteStringOf(bytes));
    },
  },
];

const tally = new Map<string, { read: number; refused: number }>();
for (let i = 0; i < count; i++) {
  const target = targets[i % targets.length];
  const input = mutated(target.seeds);
  const seen = tally.get(target.name) ?? { read: 0, refused: 0 };
  tally.set(target.name, seen);
  const from = performance.now();
  try {
    target.read(input);
    seen.read++;
  } catch (thrown) {
    if (!(thrown instanceof FirnError)) {
      process.stdout.write(`${target.name}, input ${i}: ${JSON.stringify(byteStringOf(input))}\n`);
      throw thrown;
    }
    seen.refused++;
  }
  assert.ok(performance.now() - from < SLOW_MS, `${target.name}, input ${i} took too long`);
}
for (let i = 0; i < count / 500; i++) {
  const to = memoryStore();
  try {
    await importClosure(streamed(mutated([archive])), to, { registeredAt: 1 });
  } catch (thrown) {
    assert.ok(thrown instanceof FirnError, String((thrown as Error).stack));
  }
}
const blobs = new MemoryBlobs();
const contents = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const digest = await blobs.put(contents);
const [from, to] = [17_000, 17_500];
const outboard = (await outboardOf(blobs, digest)) as Uint8Array;
await using reader = await blobs.openRead(digest);
assert.ok(reader);
const slice = concatBytes(await Array.fromAsync(encodeSlice(reader, outboard, from, to)));
const slices = { read: 0, refused: 0 };
tally.set("bao slice", slices);
for (let i = 0; i < count / 10; i++) {
  const parts: Uint8Array[] = [];
  const startedAt = performance.now();
  try {
    for await (const part of decodeSlice(streamed(mutated([slice])), digest, from, to)) parts.push(part);
    slices.read++;
  } catch (thrown) {
    assert.ok(thrown instanceof FirnError, String((thrown as Error).stack));
    slices.refused++;
  }
  // Whatever came out before it was refused is the blob's.
  const got = concatBytes(parts);
  assert.deepEqual(got, contents.slice(from, from + got.length));
  assert.ok(performance.now() - startedAt < SLOW_MS, `slice ${i} took too long`);
}
for (const [name, { read, refused }] of tally)
  process.stdout.write(`${name.padEnd(12)} ${read} read, ${refused} refused\n`);
