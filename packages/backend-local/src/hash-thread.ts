/* The thread that hashes what another read; hash-thread-host.ts starts it. Buffers come and go without being copied. */

import { parentPort } from "node:worker_threads";
import { hashBytesHex } from "@firn/hash";
import { useNodeKernels } from "@firn/hash/node";

/** Pieces of these lengths, one behind the other. */
export type HashRequest = {
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: readonly number[];
};

/** Their BLAKE3 digests in hexadecimal digits, and the bytes back. */
export type HashReply = { readonly id: number; readonly bytes: Uint8Array; readonly digests: readonly string[] };

useNodeKernels();
parentPort?.on("message", ({ id, bytes, lengths }: HashRequest) => {
  let at = 0;
  const digests = lengths.map((length) => hashBytesHex("blake3", bytes.subarray(at, (at += length))));
  const reply: HashReply = { id, bytes, digests };
  parentPort?.postMessage(reply, [bytes.buffer]);
});
