/*
A NAR taken into castore as it streams in: files become blobs, directories are put when the whole NAR was read and, if a hash or size
was promised, found to keep the promise. What failed leaves at most blobs that nothing refers to.
*/

import { Background, type ByteString, type ByteStream, concatBytes, equalBytes, throwIfAborted } from "@firn/base";
import {
  type BlobWriter,
  type CallOptions,
  type CastoreServices,
  digestOf,
  type Node,
  TreeBuilder,
} from "@firn/castore";
import { createHasher, toHex } from "@firn/hash";
import { NixCompatError, readNarStream } from "@firn/nix-compat";
import { StoreError } from "./error.ts";

/** Files up to this long are gathered and put whole, several at a time. */
const SMALL_FILE_BYTES = 64 * 1024;
/** Most puts of small files under way; a store that commits in groups takes them in few groups. */
const PUTS_MAX = 1024;
/** Longest NAR taken when nothing else is said, in bytes. */
export const NAR_BYTES_MAX = 2 ** 40;

export type IngestOptions = CallOptions & {
  /** Refuses (`mismatch`) a NAR with another SHA-256. */
  readonly narSha256?: Uint8Array;
  /** Refuses (`mismatch`) a NAR of another length. */
  readonly narSize?: number;
  /** Refuses (`limit`) a longer one; NAR_BYTES_MAX when not said. */
  readonly narBytesMax?: number;
};

export type IngestedNar = { readonly node: Node; readonly narSha256: Uint8Array; readonly narSize: number };

/** Stores the tree of a NAR and yields its root, hash and size. Throws `malformed` when it is not a canonical NAR. */
export async function ingestNar(
  nar: ByteStream,
  services: CastoreServices,
  options: IngestOptions = {},
): Promise<IngestedNar> {
  const { signal, lease } = options;
  const hasher = createHasher("sha256");
  let narSize = 0;
  const bytesMax = Math.min(options.narSize ?? Number.MAX_SAFE_INTEGER, options.narBytesMax ?? NAR_BYTES_MAX);
  async function* observed(): ByteStream {
    for await (const chunk of nar) {
      throwIfAborted(signal);
      narSize += chunk.length;
      if (narSize > bytesMax) throw tooLong(bytesMax, options);
      hasher.update(chunk);
      yield chunk;
    }
  }
  await using builder = new TreeBuilder(services.directories, { signal, lease });
  const files = new FileTaker(services, { signal, lease });
  try {
    await takeEvents(observed(), builder, files);
  } catch (thrown) {
    if (!(thrown instanceof NixCompatError)) throw thrown;
    throw new StoreError(thrown.code === "limit" ? "limit" : "malformed", thrown.message, { cause: thrown });
  } finally {
    await files.end();
  }
  await files.settle();
  const narSha256 = hasher.digest();
  checkPromises(narSha256, narSize, options);
  return { node: await builder.close(), narSha256, narSize };
}

async function takeEvents(nar: ByteStream, builder: TreeBuilder, files: FileTaker): Promise<void> {
  let name: ByteString = "";
  for await (const event of readNarStream(nar)) {
    switch (event.kind) {
      case "directory":
        builder.enter(name);
        break;
      case "directory-end":
        await builder.leave();
        break;
      case "entry":
        name = event.name;
        break;
      case "symlink":
        builder.add(name, { kind: "symlink", target: event.target });
        break;
      case "file":
        files.begin(event.size, event.executable);
        if (event.size === 0) builder.add(name, await files.finish());
        break;
      case "contents":
        if (await files.take(event.bytes)) builder.add(name, await files.finish());
        break;
    }
  }
}

/** Stores one file after another, the small ones without waiting for each. */
class FileTaker {
  readonly #services: CastoreServices;
  readonly #options: CallOptions;
  readonly #puts = new Background(PUTS_MAX);
  #size = 0;
  #remaining = 0;
  #executable = false;
  #parts: Uint8Array[] = [];
  #writer: BlobWriter | undefined;

  constructor(services: CastoreServices, options: CallOptions) {
    this.#services = services;
    this.#options = options;
  }

  begin(size: number, executable: boolean): void {
    this.#size = size;
    this.#remaining = size;
    this.#executable = executable;
    this.#parts = [];
    if (size > SMALL_FILE_BYTES) this.#writer = this.#services.blobs.openWrite(this.#options);
  }

  /** Takes the next bytes; true when they were the last. */
  async take(bytes: Uint8Array): Promise<boolean> {
    if (this.#writer !== undefined) await this.#writer.write(bytes);
    else this.#parts.push(new Uint8Array(bytes)); // not slice: a Buffer's would share its memory
    this.#remaining -= bytes.length;
    return this.#remaining === 0;
  }

  async finish(): Promise<Node> {
    const writer = this.#writer;
    if (writer !== undefined) {
      const digest = await writer.close();
      this.#writer = undefined;
      return { kind: "file", digest, size: this.#size, executable: this.#executable };
    }
    const bytes = this.#parts.length === 1 ? this.#parts[0] : concatBytes(this.#parts);
    // Hashed here as well, so that the tree goes on while the store commits.
    const digest = digestOf(bytes);
    await this.#puts.add(() => this.#services.blobs.put(bytes, this.#options));
    return { kind: "file", digest, size: this.#size, executable: this.#executable };
  }

  /** Ends what is half-way, after success and failure alike. */
  async end(): Promise<void> {
    await this.#writer?.abort();
    await this.#puts.end();
  }

  /** Resolves when all files are stored; throws the first failure of one. */
  settle(): Promise<void> {
    return this.#puts.settle();
  }
}

function tooLong(bytesMax: number, { narSize }: IngestOptions): StoreError {
  if (narSize === bytesMax)
    return new StoreError("mismatch", `the NAR is longer than the ${narSize} bytes that were promised`);
  return new StoreError("limit", `the NAR is longer than ${bytesMax} bytes`);
}

function checkPromises(narSha256: Uint8Array, narSize: number, options: IngestOptions): void {
  if (options.narSize !== undefined && options.narSize !== narSize) {
    throw new StoreError("mismatch", `the NAR has ${narSize} bytes, ${options.narSize} were promised`);
  }
  if (options.narSha256 !== undefined && !equalBytes(options.narSha256, narSha256)) {
    const message = `the NAR has the SHA-256 ${toHex(narSha256)}, ${toHex(options.narSha256)} was promised`;
    throw new StoreError("mismatch", message);
  }
}
