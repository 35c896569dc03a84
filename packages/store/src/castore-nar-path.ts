/*
The address of a NAR that says what is in it: the castore node, so that whoever has the contents can render the NAR without knowing any store path, and
whoever only lacks a few of them need not ask for the NAR at all. As Snix and Tvix write it:

    nar/snix-castore/<base 64 of an Entry, URL-safe, without padding>?narsize=<bytes>

An Entry is one entry of a Directory without its name, hence the detour over a Directory of one entry, whose codec refuses what is not canonical.
*/

import { concatBytes } from "@firn/base";
import { CastoreError, checkNode, Directory, type Node } from "@firn/castore";
import { fromBase64, toBase64 } from "@firn/hash";
import { StoreError } from "./error.ts";

/** Longest encoded Entry, in bytes, as in Snix. */
const ENTRY_BYTES_MAX = 4096;
const PREFIXES = ["nar/snix-castore/", "nar/tvix-castore/"];
/** The field with a name of one letter, which an Entry in an address does not have. */
const NAME = Uint8Array.of(0x0a, 1, 0x78);

export type CastoreNar = { readonly node: Node; readonly narSize: number };

/** The address, relative to the cache. undefined for a symlink that is too long for one. */
export function printCastoreNarPath({ node, narSize }: CastoreNar): string | undefined {
  const { encoded } = new Directory([{ name: "x", node }]);
  const { length, end } = readLength(encoded, 1);
  const entry = concatBytes([
    encoded.subarray(0, 1),
    printLength(length - NAME.length),
    encoded.subarray(end + NAME.length),
  ]);
  if (entry.length > ENTRY_BYTES_MAX) return undefined;
  const text = toBase64(entry).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  return `${PREFIXES[0]}${text}?narsize=${narSize}`;
}

/** What an address (without a slash before it) says; undefined when it is another kind of address. Throws `malformed`. */
export function parseCastoreNarPath(path: string): CastoreNar | undefined {
  const prefix = PREFIXES.find((one) => path.startsWith(one));
  if (prefix === undefined) return undefined;
  const [text, query = ""] = path.slice(prefix.length).split("?", 2);
  const [, digits] = /(?:^|&)narsize=([0-9]{1,16})(?:&|$)/.exec(query) ?? [];
  if (digits === undefined || !Number.isSafeInteger(Number(digits)))
    throw new StoreError("malformed", "the address of a NAR by its contents lacks ?narsize=BYTES");
  if (text.length > Math.ceil((ENTRY_BYTES_MAX * 4) / 3) || !/^[A-Za-z0-9_-]*$/.test(text)) throw malformed();
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
  const entry = fromBase64(padded);
  if (entry === undefined || entry.length < 2) throw malformed();
  return { node: nodeOf(entry), narSize: Number(digits) };
}

function nodeOf(entry: Uint8Array): Node {
  const { length, end } = readLength(entry, 1);
  try {
    const named = concatBytes([entry.subarray(0, 1), printLength(length + NAME.length), NAME, entry.subarray(end)]);
    const { entries } = Directory.decode(named);
    if (entries.length !== 1) throw malformed();
    checkNode(entries[0].node);
    return entries[0].node;
  } catch (thrown) {
    throw thrown instanceof CastoreError ? malformed(thrown) : thrown;
  }
}

/** A length below 2^14, which is all an Entry has. */
function readLength(bytes: Uint8Array, at: number): { readonly length: number; readonly end: number } {
  const low = bytes[at];
  if (low < 0x80) return { length: low, end: at + 1 };
  return { length: (low & 0x7f) | ((bytes[at + 1] & 0x7f) << 7), end: at + 2 };
}

function printLength(length: number): Uint8Array {
  return length < 0x80 ? Uint8Array.of(length) : Uint8Array.of((length & 0x7f) | 0x80, length >> 7);
}

function malformed(cause?: unknown): StoreError {
  return new StoreError("malformed", "the address of a NAR does not encode a node", { cause });
}
