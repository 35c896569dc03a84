/*
Fetching what an address leads to into the store: the file as it is, or the tree in an archive, under a path that follows from the contents. What
was promised is checked before anything is registered.
*/

import type { ByteString } from "@firn/base";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import { createHasher, fromHex, type Hash, printHash, toHex } from "@firn/hash";
import { DEFAULT_STORE_DIR, makeFixedOutputPath } from "@firn/nix-compat";
import { calculateNar, type PathInfoService } from "@firn/store";
import { GlueError } from "./error.ts";
import type { Fetcher } from "./fetcher.ts";
import { unpackTar } from "./unpack-tar.ts";

export type Fetched = {
  readonly url: string;
  /** Of the store path. */
  readonly name: string;
  /** Whether an archive is unpacked; then the hash is of the NAR, otherwise of the file's contents. */
  readonly unpack: boolean;
  /** What the hash must be, hex; absent: anything. */
  readonly sha256?: string;
};

export type FetchStores = CastoreServices & { readonly pathInfos: PathInfoService };

export type FetchOptions = CallOptions & {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** /nix/store when not said. */
  readonly storeDir?: string;
};

/** Fetches, registers, and yields the absolute store path. Throws `fetch-failed` or `hash-mismatch`. */
export async function fetchToStore(
  wanted: Fetched,
  stores: FetchStores,
  fetcher: Fetcher,
  options: FetchOptions,
): Promise<ByteString> {
  const { url, name, unpack } = wanted;
  const storeDir = options.storeDir ?? DEFAULT_STORE_DIR;
  const call: CallOptions = { signal: options.signal, lease: options.lease };
  let node: Node;
  let bytes: Uint8Array | undefined;
  if (unpack) node = await unpackTar(fetcher.decompress(fetcher.fetch(url, call)), stores, call);
  else ({ node, sha256: bytes } = await fetchFile(url, stores, fetcher, call));
  const nar = await calculateNar(node, stores, call);
  const hash: Hash = { algorithm: "sha256", bytes: bytes ?? nar.narSha256 };
  if (wanted.sha256 !== undefined && toHex(hash.bytes) !== wanted.sha256) throw mismatch(url, wanted.sha256, hash);
  const method = unpack ? "nar" : "flat";
  const path = makeFixedOutputPath({ method, hash, name }, storeDir);
  const info = {
    path,
    node,
    ...nar,
    references: [],
    contentAddress: { method, hash } as const,
    signatures: [],
    registeredAt: Math.floor(options.now() / 1000),
  };
  if ((await stores.pathInfos.get(path.hashPart, call)) === undefined) await stores.pathInfos.put([info], call);
  return path.absolute(storeDir);
}

/** One file, not executable, and the SHA-256 of its contents. */
export async function fetchFile(
  url: string,
  stores: CastoreServices,
  fetcher: Fetcher,
  options: CallOptions,
): Promise<{ readonly node: Extract<Node, { readonly kind: "file" }>; readonly sha256: Uint8Array }> {
  const hasher = createHasher("sha256");
  let size = 0;
  await using writer = stores.blobs.openWrite(options);
  for await (const chunk of fetcher.fetch(url, options)) {
    hasher.update(chunk);
    size += chunk.length;
    await writer.write(chunk);
  }
  return { node: { kind: "file", digest: await writer.close(), size, executable: false }, sha256: hasher.digest() };
}

function mismatch(url: string, specifiedHex: string, got: Hash): GlueError {
  const specified: Hash = { algorithm: "sha256", bytes: fromHex(specifiedHex) as Uint8Array };
  const context = { url, specified: printHash(specified, "nix32"), got: printHash(got, "nix32") };
  const message = `hash mismatch in file downloaded from '${url}':\n  specified: ${context.specified}\n  got:       ${context.got}`;
  return new GlueError("hash-mismatch", message, { context });
}
