/*
NARs rendered from the local store: large files that do not compress, large files that do, and many small ones. Figures are per second of CPU time (user
and system, of this process) beside those of wall time, since a shared machine makes the latter of little worth; and beside
plain SHA-256 over as many bytes, which is what every consumer of a NAR pays at least.
*/

import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLocalStore } from "@firn/backend-local";
import { type Node, TreeBuilder } from "@firn/castore";
import { narLayout, renderNar } from "@firn/store";

const LARGE_BYTES = 192 * 1024 * 1024;
const SMALL_FILES = 20_000;
const RUNS = Number(process.env.BENCH_RUNS ?? 3);

const directory = mkdtempSync(join(tmpdir(), "firn-bench-nar-"));
try {
  await using store = await openLocalStore(join(directory, "store"));
  const noise = new Uint8Array(LARGE_BYTES);
  for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));
  const text = Buffer.from(
    Array.from({ length: 4096 }, (_, i) => `line ${i} ${noise[i]} of a text that repeats itself\n`).join(""),
  );
  const prose = new Uint8Array(LARGE_BYTES);
  for (let at = 0; at < prose.length; at += text.length) {
    prose.set(text.subarray(0, Math.min(text.length, prose.length - at)), at);
    prose[at] = at >> 18;
  }
  await measure("large, incompressible", await fileOf(noise), "MB");
  await measure("large, compressible", await fileOf(prose), "MB");
  await measure(`${SMALL_FILES} files of 100 to 4000 bytes`, await manyFiles(), "files");

  async function fileOf(bytes: Uint8Array): Promise<Node> {
    const writer = store.blobs.openWrite();
    for (let at = 0; at < bytes.length; at += 1 << 20) await writer.write(bytes.subarray(at, at + (1 << 20)));
    return { kind: "file", digest: await writer.close(), size: bytes.length, executable: false };
  }

  async function manyFiles(): Promise<Node> {
    const builder = new TreeBuilder(store.directories);
    const puts: Promise<void>[] = [];
    builder.enter("");
    for (let folder = 0; folder < SMALL_FILES / 20; folder++) {
      builder.enter(`folder-${folder}`);
      for (let file = 0; file < 20; file++) {
        const at = folder * 20 + file;
        const bytes = noise.subarray(at * 4096, at * 4096 + 100 + ((at * 37) % 3900));
        const digest = await put(bytes);
        builder.add(`file-${file}`, { kind: "file", digest, size: bytes.length, executable: false });
      }
      await builder.leave();
    }
    await builder.leave();
    await Promise.all(puts);
    return builder.close();

    async function put(bytes: Uint8Array) {
      const { digestOf } = await import("@firn/castore");
      puts.push(store.blobs.put(bytes).then(() => undefined));
      return digestOf(bytes);
    }
  }

  async function measure(what: string, node: Node, unit: "MB" | "files"): Promise<void> {
    const { size } = await narLayout(node, store);
    const amount = unit === "MB" ? size / 1e6 : SMALL_FILES;
    const best = { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY, hash: Number.POSITIVE_INFINITY };
    for (let run = 0; run < RUNS; run++) {
      const cpu = process.cpuUsage();
      const from = performance.now();
      let length = 0;
      for await (const chunk of renderNar(node, store)) length += chunk.length;
      if (length !== size) throw new Error(`the NAR has ${length} bytes, its layout says ${size}`);
      best.wall = Math.min(best.wall, (performance.now() - from) / 1000);
      const spent = process.cpuUsage(cpu);
      best.cpu = Math.min(best.cpu, (spent.user + spent.system) / 1e6);
      const hashing = process.cpuUsage();
      const hasher = createHash("sha256");
      for (let at = 0; at < size; at += 1 << 20) hasher.update(noise.subarray(0, Math.min(1 << 20, size - at)));
      hasher.digest();
      const hashed = process.cpuUsage(hashing);
      best.hash = Math.min(best.hash, (hashed.user + hashed.system) / 1e6);
    }
    const per = (seconds: number) => (amount / seconds).toFixed(0).padStart(7);
    process.stdout.write(
      `${what.padEnd(36)} ${per(best.wall)} ${unit}/s wall ${per(best.cpu)} ${unit}/s CPU   (SHA-256 alone ${per(best.hash)})\n`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
