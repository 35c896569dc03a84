/*
A closure as one file (docs/formats/closure-archive.md): each blob and directory once, before the first path that needs it, and each path after those it
refers to. Written and read as a stream. What was read stays: a file that was cut is an error, but the paths before the cut are registered, and
reading it again, or a whole copy of it, goes on from there.
*/

import { Background, ByteSource, type ByteStream, concatBytes, throwIfAborted } from "@firn/base";
import {
  bytesOfDigest,
  type CallOptions,
  type Digest,
  Directory,
  DIRECTORY_BYTES_MAX,
  type DirectoryPutter,
  digestFromBytes,
  digestOf,
  EMPTY_DIGEST,
  leavesFirst,
  type Lease,
} from "@firn/castore";
import { createHasher } from "@firn/hash";
import type { StorePath } from "@firn/nix-compat";
import { closureOf } from "./closure.ts";
import { checkNar, type StoreServices } from "./copy-paths.ts";
import { StoreError } from "./error.ts";
import type { PathInfo } from "./path-info.ts";
import { decodePathInfo, encodePathInfo, PATH_INFO_BYTES_MAX } from "./path-info-codec.ts";

const MAGIC = new TextEncoder().encode("firn closure 1\n");
const BLOB = 0x42;
const DIRECTORY = 0x44;
const PATH = 0x50;
const END = 0x45;
/** Blobs up to this long are stored without waiting for each, at most PUTS_MAX at a time. */
const SMALL_BYTES = 64 * 1024;
const PUTS_MAX = 256;

/** The archive of the closure of `roots`, as a single-use stream. Throws `missing` for what is not there. */
export async function* exportClosure(
  roots: readonly StorePath[],
  from: StoreServices,
  options?: CallOptions,
): ByteStream {
  const infos = await closureOf(roots, from.pathInfos, { signal: options?.signal });
  const sentBlobs = new Set<Digest>();
  const sentDirectories = new Set<Digest>();
  yield MAGIC;
  for (const info of infos) {
    throwIfAborted(options?.signal);
    const { node } = info;
    if (node.kind === "file") yield* blob(node.digest, node.size);
    if (node.kind === "directory" && !sentDirectories.has(node.digest)) {
      let isThere = false;
      const tree = from.directories.getRecursive(node.digest, options);
      for await (const directory of leavesFirst(node.digest, tree)) {
        isThere = true;
        if (sentDirectories.has(directory.digest)) continue;
        sentDirectories.add(directory.digest);
        for (const { node: child } of directory.entries)
          if (child.kind === "file") yield* blob(child.digest, child.size);
        yield concatBytes([head(DIRECTORY, directory.encoded.length), directory.encoded]);
      }
      if (!isThere)
        throw new StoreError("missing", `directory ${node.digest} is not stored`, { context: { digest: node.digest } });
    }
    const encoded = encodePathInfo(info);
    yield concatBytes([head(PATH, encoded.length), encoded]);
  }
  yield head(END, infos.length);

  async function* blob(digest: Digest, size: number): ByteStream {
    if (sentBlobs.has(digest)) return;
    sentBlobs.add(digest);
    await using reader = await from.blobs.openRead(digest, options);
    if (reader === undefined) throw new StoreError("missing", `blob ${digest} is not stored`, { context: { digest } });
    if (reader.size !== size)
      throw new StoreError("mismatch", `blob ${digest} has ${reader.size} bytes, its tree says ${size}`);
    yield concatBytes([head(BLOB, size), bytesOfDigest(digest)]);
    yield* reader.stream();
  }
}

export type ImportClosureOptions = {
  readonly signal?: AbortSignal;
  readonly lease?: Lease;
  /** Seconds since 1970, for what is registered. */
  readonly registeredAt: number;
  /** Called after each path, and now and then between. */
  readonly onProgress?: (progress: { readonly paths: number; readonly bytes: number }) => void;
  /** Refuses a path by throwing, before it is registered: for signatures. */
  readonly check?: (info: PathInfo) => Promise<void>;
};

/** Takes in an archive and yields its paths, those that were registered already included. Throws `malformed`, `mismatch`, castore's `corrupt`. */
export async function importClosure(
  archive: ByteStream,
  to: StoreServices,
  options: ImportClosureOptions,
): Promise<readonly StorePath[]> {
  const { signal, lease, registeredAt, onProgress, check } = options;
  await using source = new ByteSource(archive);
  const cut = () =>
    new StoreError("malformed", `the archive ends at byte ${source.offset}, in the middle; what came before is stored`);
  const wrong = (what: string) =>
    new StoreError("malformed", `not an archive of a closure: ${what} at byte ${source.offset}`);
  const magic = await source.exactly(MAGIC.length, () => wrong("it is too short"));
  if (!magic.every((byte, i) => byte === MAGIC[i])) throw wrong("it does not begin as one");
  const paths: StorePath[] = [];
  const taker = new Taker(source, to, { signal, lease }, cut, wrong);
  try {
    for (;;) {
      throwIfAborted(signal);
      const record = await source.exactly(9, cut);
      const kind = record[0];
      const length = Number(new DataView(record.buffer, record.byteOffset, 9).getBigUint64(1, true));
      if (!Number.isSafeInteger(length)) throw wrong("a length above 2^53-1");
      if (kind === END) {
        if (length !== paths.length) throw wrong(`an end after ${paths.length} paths, where ${length} were said`);
        if ((await source.next()) !== undefined) throw wrong("something after the end");
        return paths;
      }
      if (kind === BLOB) await taker.blob(length);
      else if (kind === DIRECTORY) await taker.directory(length);
      else if (kind === PATH) {
        if (length > PATH_INFO_BYTES_MAX) throw wrong("a path info that is too long");
        const info = decodePathInfo(await source.exactly(length, cut));
        await taker.endTree(info);
        await check?.(info);
        const known = await to.pathInfos.get(info.path.hashPart, { signal, lease });
        if (known === undefined) await checkNar(info, to, { signal });
        await to.pathInfos.put([{ ...info, registeredAt }], { signal, lease });
        paths.push(info.path);
      } else throw wrong(`a record of unknown kind ${kind}`);
      onProgress?.({ paths: paths.length, bytes: source.offset });
    }
  } finally {
    await taker.abort();
  }
}

/** Stores blobs and directories as they come; those of one path are one put, whose root the path names. */
class Taker {
  readonly #source: ByteSource;
  readonly #to: StoreServices;
  readonly #options: CallOptions;
  readonly #cut: () => StoreError;
  readonly #wrong: (what: string) => StoreError;
  #putter: DirectoryPutter | undefined;
  /** Of short blobs: a store that commits in groups takes many in one. */
  readonly #puts = new Background(PUTS_MAX);

  constructor(
    source: ByteSource,
    to: StoreServices,
    options: CallOptions,
    cut: () => StoreError,
    wrong: (what: string) => StoreError,
  ) {
    this.#source = source;
    this.#to = to;
    this.#options = options;
    this.#cut = cut;
    this.#wrong = wrong;
  }

  async blob(size: number): Promise<void> {
    const digest = digestFromBytes(new Uint8Array(await this.#source.exactly(32, this.#cut)));
    if (size <= SMALL_BYTES) {
      const bytes = new Uint8Array(await this.#source.exactly(size, this.#cut));
      if (digestOf(bytes) !== digest) throw otherBytes(digest);
      return this.#puts.add(() => this.#to.blobs.put(bytes, this.#options));
    }
    const isThere = await this.#to.blobs.has(digest, this.#options);
    const hasher = createHasher("blake3");
    const writer = isThere ? undefined : this.#to.blobs.openWrite(this.#options);
    try {
      for (let lacking = size; lacking > 0; ) {
        throwIfAborted(this.#options.signal);
        const chunk = await this.#source.next();
        if (chunk === undefined) throw this.#cut();
        const part = chunk.subarray(0, lacking);
        if (part.length < chunk.length) this.#source.unread(chunk.subarray(part.length));
        lacking -= part.length;
        hasher.update(part);
        await writer?.write(part);
      }
      if (digestFromBytes(hasher.digest()) !== digest) throw otherBytes(digest);
      await writer?.close();
    } finally {
      await writer?.abort();
    }
  }

  async directory(length: number): Promise<void> {
    if (length > DIRECTORY_BYTES_MAX) throw this.#wrong("a directory that is too long");
    const directory = Directory.decode(new Uint8Array(await this.#source.exactly(length, this.#cut)));
    this.#putter ??= this.#to.directories.openPut(this.#options);
    await this.#putter.put(directory);
  }

  /** What came since the last path is this one's tree; where nothing came, it is there already. */
  async endTree({ node, path }: PathInfo): Promise<void> {
    await this.#puts.settle();
    const putter = this.#putter;
    this.#putter = undefined;
    if (putter !== undefined) {
      const root = await putter.close();
      if (node.kind !== "directory" || node.digest !== root)
        throw this.#wrong(`directories that are not those of ${path}`);
    }
    const isThere =
      node.kind === "directory"
        ? await this.#to.directories.has(node.digest, this.#options)
        : node.kind === "symlink" ||
          node.digest === EMPTY_DIGEST ||
          (await this.#to.blobs.has(node.digest, this.#options));
    if (!isThere) throw this.#wrong(`${path} without its contents`);
  }

  async abort(): Promise<void> {
    await this.#puts.end();
    await this.#putter?.abort();
  }
}

function otherBytes(digest: Digest): StoreError {
  return new StoreError("mismatch", `blob ${digest} came with bytes of another digest`, { context: { digest } });
}

function head(kind: number, length: number): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = kind;
  new DataView(bytes.buffer).setBigUint64(1, BigInt(length), true);
  return bytes;
}
