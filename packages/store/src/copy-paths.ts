/*
Copies paths with all they refer to from one store to another, so that only what is missing travels: paths that the target has are skipped with
their closures, of the others only directories and chunks that it lacks are asked for. References go before referrers and each path is registered when it
is whole, so what was stopped goes on where it was.

Nothing the source says is believed: contents are checked against their digests on the way, and each path's NAR hash against its contents in the target.
*/

import { Background, equalBytes } from "@firn/base";
import {
  type CallOptions,
  type CastoreServices,
  type Digest,
  type Directory,
  type FileNode,
  type Lease,
  type Node,
  SingleFlight,
  transferBlob,
  transferDirectories,
} from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import { closureOf } from "./closure.ts";
import { StoreError } from "./error.ts";
import { calculateNar } from "./nar-render.ts";
import type { PathInfo } from "./path-info.ts";
import type { PathInfoService } from "./path-info-service.ts";

/** Files on their way at the same time. */
const FILES_AHEAD = 64;
/** Paths on their way at the same time; each is registered after those it refers to. */
const PATHS_AHEAD = 8;

export type StoreServices = CastoreServices & { readonly pathInfos: PathInfoService };

export type CopyProgress = {
  readonly paths: number;
  readonly pathsTotal: number;
  /** What came from the source. */
  readonly bytes: number;
  /** What did not have to, because the target had the chunk. */
  readonly bytesSpared: number;
};

export type CopyOptions = {
  readonly signal?: AbortSignal;
  /** A lease of the target's, which holds what is copied until it is rooted. */
  readonly lease?: Lease;
  /** Seconds since 1970, for what is registered. */
  readonly registeredAt: number;
  readonly onProgress?: (progress: CopyProgress) => void;
};

export type CopyResult = CopyProgress & { readonly copied: readonly StorePath[] };

/** Copies the closure of `roots`. Throws `missing` when the source lacks a part, `mismatch` or castore's `corrupt` when it lies. */
export async function copyPaths(
  roots: readonly StorePath[],
  from: StoreServices,
  to: StoreServices,
  options: CopyOptions,
): Promise<CopyResult> {
  const { signal, lease, registeredAt, onProgress } = options;
  const isThere = async (path: StorePath) =>
    (await to.pathInfos.get(path.hashPart, { signal, lease }))?.path.equals(path) === true;
  const missing = await closureOf(roots, from.pathInfos, { signal, skip: isThere });
  const done = { paths: 0, pathsTotal: missing.length, bytes: 0, bytesSpared: 0 };
  const onBytes = (count: number) => {
    done.bytes += count;
    onProgress?.({ ...done });
  };
  const onBytesSpared = (count: number) => {
    done.bytesSpared += count;
  };
  onProgress?.({ ...done });
  const failed = new AbortController();
  const inner = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const flights = new SingleFlight<Digest, void>();
  const copies: { readonly ended: Promise<void>; isDone: boolean }[] = [];
  const begin = (info: PathInfo) => {
    const copyOne = async () => {
      await copyContents(info.node, from, to, { signal: inner, lease, onBytes, onBytesSpared }, flights);
      await checkNar(info, to, { signal: inner });
      copy.isDone = true;
    };
    const copy = { ended: copyOne(), isDone: false };
    copy.ended.catch(() => undefined); // thrown where it is awaited
    copies.push(copy);
  };
  try {
    for (let at = 0; at < missing.length; ) {
      while (copies.length < missing.length && copies.length < at + PATHS_AHEAD) begin(missing[copies.length]);
      await copies[at].ended;
      // What is ready behind it is registered along with it, for one flush.
      let end = at + 1;
      while (end < copies.length && copies[end].isDone) end++;
      const infos = missing.slice(at, end).map((info) => ({ ...info, registeredAt }));
      await to.pathInfos.put(infos, { signal, lease });
      at = end;
      done.paths = end;
      onProgress?.({ ...done });
    }
  } catch (thrown) {
    failed.abort(thrown);
    throw signal?.aborted ? signal.reason : thrown;
  } finally {
    await Promise.allSettled(copies.map(({ ended }) => ended));
  }
  return { ...done, copied: missing.map(({ path }) => path) };
}

export type CopyTreeOptions = CallOptions & {
  readonly onBytes?: (count: number) => void;
  readonly onBytesSpared?: (count: number) => void;
};

/** Makes the target have a tree with all contents. Throws `missing` when the source has not all of it. */
export function copyTree(
  node: Node,
  from: CastoreServices,
  to: CastoreServices,
  options: CopyTreeOptions = {},
): Promise<void> {
  return copyContents(node, from, to, options, new SingleFlight());
}

/** As above; contents that `flights` knows to be on their way are waited for. */
async function copyContents(
  node: Node,
  from: CastoreServices,
  to: CastoreServices,
  options: CopyTreeOptions,
  flights: SingleFlight<Digest, void>,
): Promise<void> {
  const files = new FileCopies(from, to, options, flights);
  try {
    if (node.kind === "file") await files.add(node);
    if (node.kind === "directory") {
      const onDirectory = async (directory: Directory) => {
        for (const { node: child } of directory.entries) if (child.kind === "file") await files.add(child);
      };
      const { signal, lease, onBytes } = options;
      const transfer = { signal, lease, onBytes, onDirectory, beforePut: () => files.settle() };
      if (!(await transferDirectories(node.digest, from.directories, to.directories, transfer)))
        throw new StoreError("missing", `directory ${node.digest} is not in the source`, {
          context: { digest: node.digest },
        });
    }
    await files.settle();
  } finally {
    await files.end();
  }
}

/** Throws `mismatch` unless the path's contents in the store have the NAR hash and size it says. */
export async function checkNar(info: PathInfo, services: CastoreServices, options?: CallOptions): Promise<void> {
  const { narSha256, narSize } = await calculateNar(info.node, services, options);
  if (equalBytes(narSha256, info.narSha256) && narSize === info.narSize) return;
  throw new StoreError("mismatch", `the contents of ${info.path} have another NAR hash or size than it says`, {
    context: { path: info.path.toString() },
  });
}

/** Copies of files, some at a time, each content once. */
class FileCopies {
  readonly #from: CastoreServices;
  readonly #to: CastoreServices;
  readonly #options: CopyTreeOptions;
  readonly #flights: SingleFlight<Digest, void>;
  readonly #begun = new Set<Digest>();
  readonly #copies = new Background(FILES_AHEAD);

  constructor(
    from: CastoreServices,
    to: CastoreServices,
    options: CopyTreeOptions,
    flights: SingleFlight<Digest, void>,
  ) {
    this.#flights = flights;
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  async add({ digest }: FileNode): Promise<void> {
    if (this.#begun.has(digest)) return;
    this.#begun.add(digest);
    const copy = (signal: AbortSignal) => this.#copy(digest, signal);
    await this.#copies.add(() => this.#flights.run(digest, copy, this.#options.signal));
  }

  settle(): Promise<void> {
    return this.#copies.settle();
  }

  end(): Promise<void> {
    return this.#copies.end();
  }

  async #copy(digest: Digest, signal: AbortSignal): Promise<void> {
    const { lease, onBytes, onBytesSpared } = this.#options;
    if (await this.#to.blobs.has(digest, { signal, lease })) return;
    const options = { signal, lease, onBytes, onBytesSpared };
    if (await transferBlob(digest, this.#from.blobs, this.#to.blobs, options)) return;
    throw new StoreError("missing", `blob ${digest} is not in the source`, { context: { digest } });
  }
}
