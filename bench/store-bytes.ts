/*
The store's bytes: cutting and hashing in memory, directories by the second, one large file that does not shrink, flushed, and ten versions of
a tree of 500 MB with the space they take. Beside Nix where it does the same. In one process, so figures of Firn lack its start; the
large file is also added by the commands.
*/

import { execFileSync } from "node:child_process";
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { chunksOf, Directory, EMPTY_DIGEST } from "@firn/castore";
import { createHasher } from "@firn/hash";
import { useNodeKernels } from "@firn/hash/node";
import { bench } from "./measure.ts";

const MIB = 1024 * 1024;
const VERSIONS = 10;
const FILES = 4000;
const FILE_BYTES = 100_000;
const LARGE_BYTES = 100 * MIB;
const DIRECTORIES = 20_000;

useNodeKernels();

let state = 12_345;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return state >>> 0;
}

/** Bytes that do not shrink. */
function noise(length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = random() | 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return Buffer.from(words.buffer, 0, length);
}

function line(what: string, value: string): void {
  process.stdout.write(`  ${what.padEnd(52)} ${value}\n`);
}

function cpuMs(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1000;
}

async function cutting(): Promise<void> {
  const bytes = noise(256 * MIB);
  for (const round of ["first", "again"]) {
    const from = process.cpuUsage();
    const hasher = createHasher("blake3");
    let chunks = 0;
    const pieces = async function* () {
      for (let at = 0; at < bytes.length; at += MIB) {
        const piece = bytes.subarray(at, at + MIB);
        hasher.update(piece);
        yield piece;
      }
    };
    for await (const _ of chunksOf(pieces())) chunks++;
    const rate = bytes.length / 1e6 / (cpuMs(from) / 1000);
    line(`whole digest, cuts, chunk digests, ${round}`, `${rate.toFixed(0)} MB per CPU second (${chunks} chunks)`);
  }
}

async function directories(at: string): Promise<void> {
  await using store = await openLocalStore(at);
  const made = Array.from({ length: DIRECTORIES }, (_, i) => {
    const file = { kind: "file", digest: EMPTY_DIGEST, size: 0, executable: false } as const;
    return new Directory(Array.from({ length: 5 }, (_, j) => ({ name: `${i}-${j}`, node: file })));
  });
  const root = new Directory(made.map((one, i) => ({ name: `${i}`, node: one.node })));
  const putter = store.directories.openPut();
  for (const directory of [...made, root]) await putter.put(directory);
  await putter.close();
  const rate = async (work: (directory: Directory) => Promise<unknown>) => {
    const from = process.cpuUsage();
    for (const directory of made) await work(directory);
    return `${((DIRECTORIES / cpuMs(from)) * 1000).toFixed(0)} per CPU second`;
  };
  line("Directories: has", await rate(({ digest }) => store.directories.has(digest)));
  line("Directories: decoded and verified", await rate(({ digest }) => store.directories.get(digest)));
}

async function largeFile(at: string, file: string): Promise<void> {
  writeFileSync(file, "");
  for (let i = 0; i < 16; i++) writeFileSync(file, noise(64 * MIB), { flag: "a" });
  const wall = performance.now();
  const from = process.cpuUsage();
  await using store = await openLocalStore(at);
  await store.importer.importTree(file);
  const ms = `${(performance.now() - wall).toFixed(0)} ms wall, ${cpuMs(from).toFixed(0)} ms CPU`;
  line("1 GiB file imported and flushed, without its NAR's hash", ms);
}

/** Bytes on disk of all files below. */
function space(path: string): number {
  const found = lstatSync(path);
  if (!found.isDirectory()) return found.blocks * 512;
  return readdirSync(path).reduce((sum, name) => sum + space(join(path, name)), 0);
}

async function versions(at: string, tree: string, nixStore: string, nixEnv: NodeJS.ProcessEnv): Promise<void> {
  mkdirSync(tree);
  for (let i = 0; i < FILES; i++) writeFileSync(join(tree, `${i}`), noise(FILE_BYTES));
  let large = noise(LARGE_BYTES);
  writeFileSync(join(tree, "large"), large);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let version = 0; version < VERSIONS; version++) {
    if (version > 0) {
      for (let i = 0; i < FILES / 50; i++) writeFileSync(join(tree, `${random() % FILES}`), noise(FILE_BYTES));
      const cuts = Array.from({ length: 20 }, () => random() % large.length).sort((left, right) => left - right);
      const parts = cuts.flatMap((cut, i) => [large.subarray(cuts[i - 1] ?? 0, cut), noise(1024)]);
      large = Buffer.concat([...parts, large.subarray(cuts[19])]);
      writeFileSync(join(tree, "large"), large);
    }
    await using store = await openLocalStore(at);
    await store.addTree(tree);
    ours.push(space(at));
    execFileSync("nix-store", ["--add", tree], { env: nixEnv, stdio: "ignore" });
    theirs.push(space(nixStore));
  }
  const shown = (sizes: readonly number[]) =>
    `${(sizes[0] / MIB).toFixed(0)} -> ${(sizes[VERSIONS - 1] / MIB).toFixed(0)} MiB, ${(sizes[VERSIONS - 1] / sizes[0]).toFixed(2)} times the first`;
  line("ten versions of 500 MB", shown(ours));
  line("the same in Nix's store", shown(theirs));
}

const parts: readonly string[] = process.argv.slice(2);
const wanted = (part: string) => parts.length === 0 || parts.includes(part);

await bench(async (made) => {
  process.stdout.write("bytes of the store\n");
  const inside = (name: string) => join(made.directory, name);
  if (wanted("cutting")) await cutting();
  if (wanted("directories")) await directories(inside("directories"));
  if (wanted("versions")) await versions(inside("versions"), inside("tree"), made.nixStoreDir, made.nixEnv);
  if (!wanted("large")) return;
  await largeFile(inside("large-store"), inside("large"));
  const fd = openSync(inside("large"), "r");
  fsyncSync(fd);
  closeSync(fd);
  const salted = (run: number) => {
    writeFileSync(inside("large"), `${run}`, { flag: "a" });
    return inside("large");
  };
  made.measure("1 GiB that does not shrink", [
    {
      what: "added (Nix: not flushed)",
      firn: (run) => ["store", "add", salted(run)],
      nix: () => ["nix-store", "--add", inside("large")],
    },
  ]);
});
