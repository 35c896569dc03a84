/*
Why one path needs another: a shortest way from referrer to reference, and for each step the places in the files that name the next path.
*/

import { type ByteString, bytesOf, byteStringOf, throwIfAborted } from "@firn/base";
import { type CallOptions, type CastoreServices, walkTree } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { closureOf } from "./closure.ts";
import type { StoreServices } from "./copy-paths.ts";
import type { PathInfo } from "./path-info.ts";

/** Where a file, or a symlink's target, names a path. */
export type Mention = {
  /** Below the referrer's root, "" for the root itself. */
  readonly path: ByteString;
  /** Offset of the hash part in the file or target. */
  readonly at: number;
  /** What stands around it, printable characters and dots. */
  readonly excerpt: string;
};

export type DependencyStep = { readonly from: PathInfo; readonly to: PathInfo; readonly mentions: readonly Mention[] };

const EXCERPT_BEFORE = 24;
const EXCERPT_AFTER = 64;

/** The steps of a shortest way; undefined when `path` does not need `dependency`, an empty list when they are one. Lists at most `mentionsMax` places a step. */
export async function whyDepends(
  path: StorePath,
  dependency: StorePath,
  services: StoreServices,
  options: CallOptions & { readonly mentionsMax: number },
): Promise<readonly DependencyStep[] | undefined> {
  const infos = new Map(
    (await closureOf([path], services.pathInfos, { signal: options.signal })).map((info) => [
      info.path.toString(),
      info,
    ]),
  );
  const way = shortestWay(path.toString(), dependency.toString(), infos);
  if (way === undefined) return undefined;
  const steps: DependencyStep[] = [];
  for (let i = 0; i + 1 < way.length; i++) {
    const from = infos.get(way[i]) as PathInfo;
    const to = infos.get(way[i + 1]) as PathInfo;
    steps.push({ from, to, mentions: await findMentions(from, to.path.hashPart, services, options) });
  }
  return steps;
}

function shortestWay(from: string, to: string, infos: ReadonlyMap<string, PathInfo>): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  const queue = [from];
  for (const at of queue) {
    if (at === to) {
      const way: string[] = [];
      for (let step: string | undefined = at; step !== undefined; step = cameFrom.get(step)) way.unshift(step);
      return way;
    }
    for (const reference of infos.get(at)?.references ?? []) {
      const next = reference.toString();
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      queue.push(next);
    }
  }
  return undefined;
}

/** Places where the tree of a path names a hash part, in the order of the tree. */
async function findMentions(
  info: PathInfo,
  hashPart: string,
  services: CastoreServices,
  { signal, mentionsMax }: CallOptions & { readonly mentionsMax: number },
): Promise<Mention[]> {
  const found: Mention[] = [];
  for await (const { path, node } of walkTree(services, info.node, { signal })) {
    if (found.length >= mentionsMax) break;
    if (node.kind === "symlink") {
      const at = node.target.indexOf(hashPart);
      if (at >= 0) found.push({ path, at, excerpt: excerptOf(node.target, at) });
    } else if (node.kind === "file" && node.size >= hashPart.length) {
      const mention = await findInFile(node.digest, hashPart, services, signal);
      if (mention !== undefined) found.push({ path, ...mention });
    }
  }
  return found;
}

async function findInFile(
  digest: Parameters<CastoreServices["blobs"]["openRead"]>[0],
  hashPart: string,
  { blobs }: CastoreServices,
  signal: AbortSignal | undefined,
): Promise<Omit<Mention, "path"> | undefined> {
  await using reader = await blobs.openRead(digest, { signal });
  if (reader === undefined) return undefined;
  const needle = bytesOf(hashPart);
  let held = new Uint8Array(0);
  let base = 0;
  for await (const chunk of reader.stream()) {
    throwIfAborted(signal);
    const window = new Uint8Array(held.length + chunk.length);
    window.set(held);
    window.set(chunk, held.length);
    const at = indexOf(window, needle);
    if (at >= 0) {
      const from = Math.max(0, base + at - EXCERPT_BEFORE);
      let text = "";
      for await (const part of reader.stream(from, base + at + EXCERPT_AFTER)) text += byteStringOf(part);
      return { at: base + at, excerpt: excerptOf(text, base + at - from) };
    }
    const kept = Math.min(needle.length - 1, window.length);
    held = window.slice(window.length - kept);
    base += window.length - kept;
  }
  return undefined;
}

function indexOf(bytes: Uint8Array, needle: Uint8Array): number {
  for (
    let at = bytes.indexOf(needle[0]);
    at >= 0 && at + needle.length <= bytes.length;
    at = bytes.indexOf(needle[0], at + 1)
  ) {
    let length = 1;
    while (length < needle.length && bytes[at + length] === needle[length]) length++;
    if (length === needle.length) return at;
  }
  return -1;
}

function excerptOf(text: ByteString, at: number): string {
  const part = text.slice(Math.max(0, at - EXCERPT_BEFORE), at + EXCERPT_AFTER);
  return part.replace(/[^\x20-\x7e]/g, ".");
}
