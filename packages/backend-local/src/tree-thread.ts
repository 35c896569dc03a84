/*
The thread that reads a large tree while another stores it: a walk whose events go through a ring, and the hash of the tree's NAR made on the way. It
is started by tree-thread-host.ts and knows nothing of the store.
*/

import { parentPort, workerData } from "node:worker_threads";
import type { ByteString } from "@firn/base";
import { CastoreError, type CastoreErrorCode } from "@firn/castore";
import { useNodeKernels } from "@firn/hash/node";
import { type NarDigest, NarObserver } from "@firn/store";
import { RingClosed, type RingMemory, RingWriter } from "./tree-ring.ts";
import { TreeWalk } from "./tree-walk.ts";

export type TreeThreadStart = { readonly root: ByteString; readonly withNar: boolean; readonly ring: RingMemory };

/** How it ended; posted before the last event. */
export type TreeThreadEnd =
  | { readonly nar: NarDigest | undefined; readonly failure?: undefined }
  | {
      readonly failure: {
        readonly code: CastoreErrorCode;
        readonly message: string;
        readonly context: Readonly<Record<string, string | number | boolean>>;
        readonly retryable: boolean;
      };
    };

function run({ root, withNar, ring }: TreeThreadStart): TreeThreadEnd | undefined {
  useNodeKernels();
  const writer = new RingWriter(ring);
  const walk = new TreeWalk(root, { memory: () => writer.memory() });
  const nar = withNar ? new NarObserver() : undefined;
  let depth = 0;
  let piece: ((bytes: Uint8Array) => void) | undefined;
  try {
    for (let event = walk.next(); event.kind !== "done"; event = walk.next()) {
      if (nar !== undefined) {
        const isNode = event.kind !== "end" && event.kind !== "piece" && event.kind !== "large-end";
        if (isNode && depth > 0) nar.entry(event.name);
        if (event.kind === "directory") nar.startDirectory();
        else if (event.kind === "end") nar.endDirectory();
        else if (event.kind === "symlink") nar.symlink(event.target);
        else if (event.kind === "large") piece = nar.file(event.stats.size, event.isExecutable);
        else if (event.kind === "piece") piece?.(event.bytes);
        else if (event.kind === "file") nar.file(event.stats.size, event.isExecutable)(event.bytes);
      }
      if (event.kind === "directory") depth++;
      else if (event.kind === "end") depth--;
      writer.send(event);
    }
    return { nar: nar?.finish() };
  } catch (thrown) {
    if (thrown instanceof RingClosed) return undefined;
    if (!(thrown instanceof CastoreError)) throw thrown;
    const { code, message, context, retryable } = thrown;
    return { failure: { code, message, context, retryable } };
  } finally {
    walk.close();
  }
}

const end = run(workerData as TreeThreadStart);
if (end !== undefined) parentPort?.postMessage(end);
