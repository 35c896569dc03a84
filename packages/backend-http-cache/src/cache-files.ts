/*
A cache as the files it consists of, wherever they are. Names are relative to the cache and never lead out of it.
*/

import type { ByteStream } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import { HttpCacheError } from "./error.ts";

export interface CacheFiles {
  /** The address, for messages; without credentials. */
  readonly label: string;

  /** Tells the cache from others for as long as answers are remembered; nothing that is secret can be read from it. */
  readonly identity: string;

  /** A short file whole, or undefined when there is none. Throws `limit` for a longer one. */
  read(name: string, bytesMax: number, options?: CallOptions): Promise<Uint8Array | undefined>;

  /** A long file as it comes; a connection that breaks is made again and goes on where it was. Throws `failed` when there is none. */
  stream(name: string, options?: CallOptions): ByteStream;

  /** Whether there is such a file. */
  has(name: string, options?: CallOptions): Promise<boolean>;

  /** Puts a file in its place, all or nothing. */
  write(name: string, type: string, content: CacheContent, options?: CallOptions): Promise<void>;
}

/** What is written: as often as it takes, so it can be streamed again. */
export type CacheContent = { readonly bytes: number; readonly stream: () => ByteStream };

/** Throws `unsupported` unless the name stays inside the cache. */
export function checkCacheName(name: string): void {
  const isInside =
    name !== "" &&
    !name.startsWith("/") &&
    !name.includes("\0") &&
    !name.split(/[/\\]/).some((part) => part === ".." || part === ".");
  if (isInside && name.length <= 8192) return;
  throw new HttpCacheError("unsupported", `'${name.slice(0, 200)}' is no file of a binary cache`);
}
