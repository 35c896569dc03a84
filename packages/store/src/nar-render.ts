/*
Castore nodes as a NAR: the stream of bytes that Nix would have made of the same tree, and its hash and size. Nothing of it is ever
stored. Small files ahead of the point of writing are read while earlier ones go out, so that a store with some latency is not
asked for one file after another; large files are streamed when their turn comes.
*/

import { type ByteString, type ByteStream, throwIfAborted } from "@firn/base";
import {
  type BlobService,
  type CallOptions,
  type CastoreServices,
  type FileNode,
  needDirectory,
  type Node,
  readBlob,
} from "@firn/castore";
import { createHasher } from "@firn/hash";
import { NarWriter } from "@firn/nix-compat";
import { StoreError } from "./error.ts";

/** Files up to this long are read ahead whole. */
const SMALL_FILE_BYTES = 64 * 1024;
/** Most contents read ahead at any time, in bytes. */
const AHEAD_BYTES_MAX = 2 * 1024 * 1024;
/** Most steps looked ahead. */
const AHEAD_STEPS_MAX = 256;

type Step =
  | { readonly kind: "entry"; readonly name: ByteString }
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "end" };

type AheadStep = { readonly step: Step; readonly contents?: Promise<Uint8Array> };

/** The NAR of `node` as a single-use stream; its chunks belong to the consumer. Throws `missing` or castore's errors while it runs. */
export async function* renderNar(node: Node, services: CastoreServices, options?: CallOptions): ByteStream {
  let out: Uint8Array[] = [];
  const writer = new NarWriter((chunk) => out.push(chunk));
  for await (const { step, contents } of readAhead(node, services, options)) {
    throwIfAborted(options?.signal);
    if (step.kind === "entry") writer.entry(step.name);
    else if (step.kind === "end") writer.endDirectory();
    else if (step.node.kind === "directory") writer.startDirectory();
    else if (step.node.kind === "symlink") writer.symlink(step.node.target);
    else {
      writer.startFile(step.node.size, step.node.executable);
      if (contents !== undefined) writer.contents(await contents);
      else {
        for await (const chunk of streamFile(step.node, services.blobs, options)) {
          writer.contents(chunk);
          yield* out;
          out = [];
        }
      }
    }
    if (out.length > 0) {
      yield* out;
      out = [];
    }
  }
  writer.finish();
  yield* out;
}

/** SHA-256 (32 bytes) and length in bytes of the NAR of `node`. */
export async function calculateNar(
  node: Node,
  services: CastoreServices,
  options?: CallOptions,
): Promise<{ readonly narSha256: Uint8Array; readonly narSize: number }> {
  const hasher = createHasher("sha256");
  let narSize = 0;
  for await (const chunk of renderNar(node, services, options)) {
    hasher.update(chunk);
    narSize += chunk.length;
  }
  return { narSha256: hasher.digest(), narSize };
}

/** The steps of the walk, some in advance, those of small files with their contents on the way. */
async function* readAhead(
  root: Node,
  services: CastoreServices,
  options?: CallOptions,
): AsyncGenerator<AheadStep, void> {
  const steps = walkSteps(root, services, options);
  const queue: AheadStep[] = [];
  let bytesAhead = 0;
  let ended = false;
  for (let at = 0; ; ) {
    while (!ended && queue.length - at < AHEAD_STEPS_MAX && bytesAhead < AHEAD_BYTES_MAX) {
      const next = await steps.next();
      if (next.done) {
        ended = true;
        break;
      }
      const step = next.value;
      const isSmallFile = step.kind === "node" && step.node.kind === "file" && step.node.size <= SMALL_FILE_BYTES;
      if (!isSmallFile) queue.push({ step });
      else {
        const file = step.node as FileNode;
        const contents = file.size === 0 ? undefined : readSmall(file, services.blobs, options);
        contents?.catch(() => undefined); // reported when its turn comes; before that it must not count as unhandled
        bytesAhead += file.size;
        queue.push({ step, contents });
      }
    }
    if (at === queue.length) return;
    const ahead = queue[at++];
    if (ahead.contents !== undefined) bytesAhead -= (ahead.step as { node: FileNode }).node.size;
    yield ahead;
    if (at >= AHEAD_STEPS_MAX) {
      queue.splice(0, at);
      at = 0;
    }
  }
}

async function* walkSteps(root: Node, services: CastoreServices, options?: CallOptions): AsyncGenerator<Step, void> {
  const stack: Step[] = [{ kind: "node", node: root }];
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    yield step;
    if (step.kind !== "node" || step.node.kind !== "directory") continue;
    const { entries } = await needDirectory(services.directories, step.node.digest, options);
    stack.push({ kind: "end" });
    for (let i = entries.length - 1; i >= 0; i--) {
      stack.push({ kind: "node", node: entries[i].node }, { kind: "entry", name: entries[i].name });
    }
  }
}

async function readSmall(file: FileNode, blobs: BlobService, options?: CallOptions): Promise<Uint8Array> {
  const bytes = await readBlob(blobs, file.digest, SMALL_FILE_BYTES, options);
  checkSize(file, bytes.length);
  return bytes;
}

async function* streamFile(file: FileNode, blobs: BlobService, options?: CallOptions): ByteStream {
  if (file.size === 0) return;
  await using reader = await blobs.openRead(file.digest, options);
  if (reader === undefined) {
    throw new StoreError("missing", `blob ${file.digest} is not stored`, { context: { digest: file.digest } });
  }
  checkSize(file, reader.size);
  yield* reader.stream();
}

function checkSize(file: FileNode, size: number): void {
  if (size === file.size) return;
  throw new StoreError("mismatch", `blob ${file.digest} has ${size} bytes, the tree says ${file.size}`, {
    context: { digest: file.digest },
  });
}
