/*
What copies from and to one of Firn's servers have in common (push-nodes.ts, pull-nodes.ts). Both take few round trips: what is missing is asked for all at once, paths,
directories, blobs, chunks, and then moves in a few streams. store's `copyPaths` does the same between any two services, one question at a time.
*/

import type { CallOptions, Digest } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { type CopyOptions, type CopyResult, StoreError } from "@firn/store";
import { CONTENT_METHODS, MISSING_REQUEST } from "./castore-methods.ts";
import { packDigests, unpackDigests } from "./digest-list.ts";
import type { Peer } from "./peer.ts";
import { callUnary } from "./rpc.ts";

/** Digests of one question. */
export const DIGESTS_AT_ONCE = 1 << 16;

/** What is counted while a copy runs. */
export class Progress {
  readonly #options: Pick<CopyOptions, "onProgress">;
  paths = 0;
  pathsTotal = 0;
  bytes = 0;
  bytesSpared = 0;

  constructor(options: Pick<CopyOptions, "onProgress">) {
    this.#options = options;
  }

  tell(): void {
    const { paths, pathsTotal, bytes, bytesSpared } = this;
    this.#options.onProgress?.({ paths, pathsTotal, bytes, bytesSpared });
  }

  result(copied: readonly StorePath[]): CopyResult {
    const { paths, pathsTotal, bytes, bytesSpared } = this;
    return { paths, pathsTotal, bytes, bytesSpared, copied };
  }
}

/** Which of these the peer lacks. */
export async function lackingAt(
  peer: Peer,
  blobs: ReadonlySet<Digest>,
  directories: ReadonlySet<Digest>,
  options: CallOptions,
): Promise<{ readonly blobs: Set<Digest>; readonly directories: Set<Digest> }> {
  const lacking = { blobs: new Set<Digest>(), directories: new Set<Digest>() };
  const [allBlobs, allDirectories] = [[...blobs], [...directories]];
  for (let at = 0; at < Math.max(allBlobs.length, allDirectories.length); at += DIGESTS_AT_ONCE) {
    const request = MISSING_REQUEST.make({
      blobs: packDigests(allBlobs.slice(at, at + DIGESTS_AT_ONCE)),
      directories: packDigests(allDirectories.slice(at, at + DIGESTS_AT_ONCE)),
    });
    const answer = await callUnary(peer.channel, CONTENT_METHODS.missing, request, peer.rpcOptions(options));
    for (const digest of unpackDigests(answer.blobs)) lacking.blobs.add(digest);
    for (const digest of unpackDigests(answer.directories)) lacking.directories.add(digest);
  }
  return lacking;
}

export function notInSource(what: string, digest: Digest): StoreError {
  return new StoreError("missing", `${what} ${digest} is not in the source`, { context: { digest } });
}
