/* A process of its own for the tests: puts blobs and trees until it is killed, and prints the digest of each once it was acknowledged. */

import { openSqliteStore } from "@firn/backend-sqlite";
import { Directory } from "@firn/castore";

const [file] = process.argv.slice(2);
const store = openSqliteStore(file);
for (let i = 0; ; i++) {
  const bytes = new Uint8Array(i % 5 === 4 ? 700_000 : 3000).fill(i & 255);
  new DataView(bytes.buffer).setUint32(0, process.pid * 100_000 + i);
  const digest = await store.blobs.put(bytes);
  const root = await store.directories.put(
    new Directory([{ name: `${i}`, node: { kind: "file", digest, size: bytes.length, executable: false } }]),
  );
  process.stdout.write(`${digest} ${root}\n`);
}
