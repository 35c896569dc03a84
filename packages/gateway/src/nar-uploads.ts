/*
NARs coming in. As Nix sends them a NAR comes first, under a name made from its hash, and later the narinfo that says which path it is. Between the two its
contents are in the store, held by a lease and known only here; what is lost when the process ends is sent again by whoever wanted it.

Nothing is registered before its hashes and sizes were found to be what is said, its references are registered, and somebody who is trusted signed it
where that is asked for.
*/

import { type ByteStream, equalBytes } from "@firn/base";
import type { CallOptions, Lease, LeaseService, Node } from "@firn/castore";
import { decompress, sniffCompression } from "@firn/compression";
import { createHasher, equalHashes, type Hash, toHex, toNixBase32 } from "@firn/hash";
import type { NarInfo } from "@firn/nix-compat";
import {
  checkContentAddress,
  type IngestedNar,
  ingestNar,
  isTrusted,
  parseCastoreNarPath,
  pathInfoOf,
  type StoreServices,
  type TrustedKeys,
} from "@firn/store";
import { GatewayError } from "./error.ts";

/** Most NARs that wait for their narinfos. */
const WAITING_MAX = 10_000;
const WAITING_MS = 60 * 60 * 1000;
const NAME = /^([0-9a-z]{52}|[0-9a-f]{64})\.nar(?:\.[a-z0-9]{1,8})?$/;

type WaitingNar = IngestedNar & {
  readonly fileHash: Hash;
  readonly fileSize: number;
  readonly lease: Lease | undefined;
  readonly until: number;
};

export type NarUploadsParts = StoreServices & {
  readonly leases: LeaseService | undefined;
  /** Whose signatures a path needs that does not follow from its contents; undefined: none are asked for. */
  readonly trusted: TrustedKeys | undefined;
  readonly storeDir: string;
  /** Longest NAR that is taken, unpacked. */
  readonly narBytesMax: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
};

export class NarUploads implements AsyncDisposable {
  readonly #parts: NarUploadsParts;
  readonly #waiting = new Map<string, WaitingNar>();

  constructor(parts: NarUploadsParts) {
    this.#parts = parts;
  }

  /** Whether a NAR of that name waits for its narinfo. */
  has(name: string): boolean {
    return this.#waiting.has(name);
  }

  /** Takes in a file of a NAR, packed in any way that can be told from its bytes, or by a name that ends in `.br`. Throws `bad-request`, or what is wrong with it. */
  async takeNar(name: string, file: ByteStream, { signal }: CallOptions): Promise<void> {
    const [, named] = NAME.exec(name) ?? [];
    if (named === undefined)
      throw new GatewayError(
        "bad-request",
        `'${name.slice(0, 100)}' is no name of a NAR: expected <SHA-256>.nar.<compression>`,
      );
    const { leases, narBytesMax, now } = this.#parts;
    const lease = await leases?.openLease(`upload of ${name}`);
    try {
      const hasher = createHasher("sha256");
      let fileSize = 0;
      const counted = async function* (): ByteStream {
        for await (const chunk of file) {
          hasher.update(chunk);
          fileSize += chunk.length;
          yield chunk;
        }
      };
      const sniffed = await sniffCompression(counted());
      const compression = name.endsWith(".br") ? "br" : sniffed.compression;
      const plain = decompress(sniffed.bytes, compression, signal);
      const nar = await ingestNar(plain, this.#parts, { signal, lease, narBytesMax });
      const fileHash: Hash = { algorithm: "sha256", bytes: hasher.digest() };
      // C++ Nix names the file by its own hash, others by that of the NAR in it.
      if (![fileHash.bytes, nar.narSha256].some((bytes) => named === toNixBase32(bytes) || named === toHex(bytes)))
        throw new GatewayError("bad-request", `what came as ${name} has the SHA-256 ${toNixBase32(fileHash.bytes)}`);
      await this.#drop(name);
      this.#waiting.set(name, { ...nar, fileHash, fileSize, lease, until: now() + WAITING_MS });
    } catch (thrown) {
      await lease?.release();
      throw thrown;
    }
    for (const [other, { until }] of this.#waiting) {
      if (this.#waiting.size <= WAITING_MAX && until > now()) break;
      await this.#drop(other);
    }
  }

  /** Registers a path whose NAR is here. Throws what is wrong with it, before anything is registered. */
  async takeNarInfo(narInfo: NarInfo, { signal }: CallOptions): Promise<void> {
    const { pathInfos, leases, storeDir, now, trusted } = this.#parts;
    const { path } = narInfo;
    await using lease = await leases?.openLease(`registration of ${path}`);
    const options = { signal, lease };
    const node = this.#arrived(narInfo) ?? (await this.#registered(narInfo, options));
    if (node === undefined)
      throw new GatewayError(
        "not-found",
        `the NAR '${narInfo.url.slice(0, 200)}' of ${path} has to come before its narinfo`,
      );
    const info = pathInfoOf(narInfo, node, Math.floor(now() / 1000));
    await checkContentAddress(info, this.#parts, { signal, storeDir, narIsVerified: true });
    if (!(await isTrusted(info, trusted, storeDir)))
      throw new GatewayError("forbidden", `${path} lacks a signature by a key that is trusted here`);
    await pathInfos.put([info], options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.#waiting.keys()]) await this.#drop(name);
  }

  /** The node of a NAR that came in. */
  #arrived({ url, path, narSha256, narSize, fileHash, fileSize }: NarInfo): Node | undefined {
    const waiting = url.startsWith("nar/") ? this.#waiting.get(url.slice("nar/".length)) : undefined;
    if (waiting === undefined) return undefined;
    const isRight =
      equalBytes(waiting.narSha256, narSha256) &&
      waiting.narSize === narSize &&
      (fileHash === undefined || fileHash.algorithm !== "sha256" || equalHashes(fileHash, waiting.fileHash)) &&
      (fileSize === undefined || fileSize === waiting.fileSize);
    if (isRight) return waiting.node;
    throw new GatewayError("bad-request", `the narinfo of ${path} gives other hashes or sizes than its NAR has`);
  }

  /** The node of a path that is here already, when the narinfo is about the same contents: it brings signatures. */
  async #registered({ path, url, narSha256, narSize }: NarInfo, options: CallOptions): Promise<Node | undefined> {
    const known = await this.#parts.pathInfos.get(path.hashPart, options);
    if (known === undefined || !equalBytes(known.narSha256, narSha256) || known.narSize !== narSize) return undefined;
    return parseCastoreNarPath(url) === undefined ? undefined : known.node;
  }

  async #drop(name: string): Promise<void> {
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    await waiting?.lease?.release();
  }
}
