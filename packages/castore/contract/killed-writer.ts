/*
What a store on disk must keep when its process is killed: all it acknowledged. The process is the backend's own file, which opens the store and
calls `storeUntilKilled`; the backend's tests call `killedWriterContract` with that file.
*/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { type CastoreServices, type Digest, Directory, digestOf, readBlob } from "@firn/castore";

const DELAYS_MS = [5, 40, 90, 160];
const LONG_BYTES = 700_000;

/** Puts blobs and trees for ever, and prints the digests of each once it was acknowledged. */
export async function storeUntilKilled({ blobs, directories }: CastoreServices): Promise<never> {
  for (let i = 0; ; i++) {
    const bytes = new Uint8Array(i % 5 === 4 ? LONG_BYTES : 3000).fill(i & 255);
    new DataView(bytes.buffer).setUint32(0, process.pid * 100_000 + i);
    const digest = await blobs.put(bytes);
    const node = { kind: "file", digest, size: bytes.length, executable: false } as const;
    const root = await directories.put(new Directory([{ name: `${i}`, node }]));
    process.stdout.write(`${digest} ${root}\n`);
  }
}

/** `child` is a file to be run by Node with the store's host path, `open` opens that store here. */
export function killedWriterContract(
  child: string,
  place: () => string,
  open: (place: string) => CastoreServices & { close?(): Promise<void> },
): void {
  test("a process that is killed loses nothing it acknowledged", async () => {
    const at = place();
    const acknowledged: [Digest, Digest][] = [];
    for (const delayMs of DELAYS_MS) {
      const victim = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", child, at], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let out = "";
      victim.stdout.setEncoding("utf8").on("data", (text: string) => {
        if (out === "") setTimeout(() => victim.kill("SIGKILL"), delayMs);
        out += text;
      });
      await new Promise((resolve) => victim.on("close", resolve));
      for (const line of out.split("\n").slice(0, -1)) acknowledged.push(line.split(" ") as [Digest, Digest]);
    }
    assert.ok(acknowledged.length >= DELAYS_MS.length);
    const store = open(at);
    for (const [blob, root] of acknowledged) {
      assert.equal(digestOf(await readBlob(store.blobs, blob, LONG_BYTES)), blob);
      assert.equal((await store.directories.get(root))?.entries.length, 1);
    }
    await store.close?.();
  });
}
