/*
The text of a `.narinfo`, which is how a binary cache says what it has: lines of `Key: value`. Reading follows C++ Nix's NarInfo, its
leniences included, because caches of fifteen years are out there:

- unknown keys are ignored; without `Compression`, or with an empty one, it is bzip2;
- the NAR hash may be in any encoding that names its algorithm; it has to be SHA-256;
- references may be out of order or absent; `Deriver: unknown-deriver` is none; an empty `CA` is none.

DEVIATION: every key that is known may come once only, but `Sig`; C++ Nix takes the last of some. A `Sig` that is not 64 bytes could not
verify and is left out. A narinfo has at most NAR_INFO_BYTES_MAX bytes.
*/

import { type Hash, parseHash, printHash } from "@firn/hash";
import { messageOf } from "@firn/base";
import { type ContentAddress, parseContentAddress, printContentAddress } from "./content-address.ts";
import { NixCompatError } from "./error.ts";
import { parseSignature, printSignature, type Signature, SIGNATURE_BYTES, splitNamedBytes } from "./signature.ts";
import { DEFAULT_STORE_DIR, parseAbsoluteStorePath, parseStorePath, type StorePath } from "./store-path.ts";

/** Longest narinfo that is read, in bytes. */
export const NAR_INFO_BYTES_MAX = 8 * 1024 * 1024;
const SIGNATURES_MAX = 256;
const DEFAULT_COMPRESSION = "bzip2";
const KNOWN_ONCE: ReadonlySet<string> = new Set([
  "StorePath",
  "URL",
  "Compression",
  "FileHash",
  "FileSize",
  "NarHash",
  "NarSize",
  "References",
  "Deriver",
  "CA",
]);

export type NarInfo = {
  readonly path: StorePath;
  /** Where the NAR is, relative to the cache or absolute. */
  readonly url: string;
  /** `none`, `xz`, `zstd`, `bzip2`, …: whatever the cache says. */
  readonly compression: string;
  /** Of the compressed file, when the cache says so. */
  readonly fileHash?: Hash;
  readonly fileSize?: number;
  /** SHA-256 of the NAR, 32 bytes. */
  readonly narSha256: Uint8Array;
  readonly narSize: number;
  /** Sorted, without duplicates. */
  readonly references: readonly StorePath[];
  readonly deriver?: StorePath;
  readonly contentAddress?: ContentAddress;
  readonly signatures: readonly Signature[];
};

/** Reads a narinfo. Throws `invalid-nar-info` with the line, or `limit`. */
export function parseNarInfo(text: string, storeDir: string = DEFAULT_STORE_DIR): NarInfo {
  if (text.length > NAR_INFO_BYTES_MAX)
    throw new NixCompatError("limit", `a narinfo has ${text.length} bytes, at most ${NAR_INFO_BYTES_MAX} are read`);
  const fields = new Map<string, { readonly value: string; readonly line: number }>();
  const signatures: Signature[] = [];
  let line = 0;
  for (let at = 0; at < text.length; ) {
    line++;
    const end = text.indexOf("\n", at);
    if (end < 0) throw corrupt("the last line does not end", line);
    const colon = text.indexOf(":", at);
    if (colon < 0 || colon > end) throw corrupt("expected 'Key: value'", line);
    const key = text.slice(at, colon);
    // C++ Nix skips one character after the colon, whatever it is.
    const value = text.slice(colon + 2, end);
    at = end + 1;
    if (key === "Sig") {
      if (signatures.length >= SIGNATURES_MAX)
        throw new NixCompatError("limit", `a narinfo has more than ${SIGNATURES_MAX} signatures`);
      const signature = attempt(() => signatureOf(value), line);
      if (signature !== undefined) signatures.push(signature);
    } else if (KNOWN_ONCE.has(key)) {
      if (fields.has(key)) throw corrupt(`a second ${key}`, line);
      fields.set(key, { value, line });
    }
  }
  const optional = <T>(key: string, parse: (value: string) => T): T | undefined => {
    const field = fields.get(key);
    return field === undefined ? undefined : attempt(() => parse(field.value), field.line);
  };
  const needed = <T>(key: string, parse: (value: string) => T): T => {
    if (!fields.has(key)) throw corrupt(`${key} is missing`);
    return optional(key, parse) as T;
  };
  const info: NarInfo = {
    path: needed("StorePath", (value) => parseAbsoluteStorePath(value, storeDir)),
    url: needed("URL", (value) => value),
    compression: optional("Compression", (value) => value) || DEFAULT_COMPRESSION,
    fileHash: optional("FileHash", (value) => parseHash(value)),
    fileSize: optional("FileSize", parseSize),
    narSha256: needed("NarHash", (value) => parseHash(value, "sha256").bytes),
    narSize: needed("NarSize", parseSize),
    references: optional("References", parseReferences) ?? [],
    deriver: optional("Deriver", (value) => (value === "unknown-deriver" ? undefined : parseStorePath(value))),
    contentAddress: optional("CA", (value) => (value === "" ? undefined : parseContentAddress(value))),
    signatures: sortedSignatures(signatures),
  };
  if (info.url === "") throw corrupt("URL is empty");
  if (info.narSize === 0) throw corrupt("NarSize is 0");
  return info;
}

/** The text of a narinfo, lines in C++ Nix's order. */
export function printNarInfo(info: NarInfo, storeDir: string = DEFAULT_STORE_DIR): string {
  const lines = [`StorePath: ${info.path.absolute(storeDir)}`, `URL: ${info.url}`, `Compression: ${info.compression}`];
  if (info.fileHash !== undefined) lines.push(`FileHash: ${printHash(info.fileHash, "nix32")}`);
  if (info.fileSize !== undefined) lines.push(`FileSize: ${info.fileSize}`);
  lines.push(`NarHash: ${printHash({ algorithm: "sha256", bytes: info.narSha256 }, "nix32")}`);
  lines.push(`NarSize: ${info.narSize}`, `References: ${[...new Set(info.references.map(String))].sort().join(" ")}`);
  if (info.deriver !== undefined) lines.push(`Deriver: ${info.deriver}`);
  for (const signature of sortedSignatures(info.signatures)) lines.push(`Sig: ${printSignature(signature)}`);
  if (info.contentAddress !== undefined) lines.push(`CA: ${printContentAddress(info.contentAddress)}`);
  return `${lines.join("\n")}\n`;
}

function parseSize(value: string): number {
  const size = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(size))
    throw new NixCompatError("invalid-nar-info", `'${value.slice(0, 40)}' is no size in bytes`);
  return size;
}

function parseReferences(value: string): StorePath[] {
  const names = new Set(value.split(/[ \t]+/).filter((name) => name !== ""));
  return [...names].sort().map(parseStorePath);
}

/** undefined for one that has another length than a signature and could not verify. */
function signatureOf(value: string): Signature | undefined {
  const { bytes } = splitNamedBytes(value, "a signature");
  return bytes.length === SIGNATURE_BYTES ? parseSignature(value) : undefined;
}

function sortedSignatures(signatures: readonly Signature[]): Signature[] {
  const byText = new Map(signatures.map((signature) => [printSignature(signature), signature]));
  return [...byText.keys()].sort().map((text) => byText.get(text) as Signature);
}

function attempt<T>(parse: () => T, line: number): T {
  try {
    return parse();
  } catch (thrown) {
    throw corrupt(messageOf(thrown), line, thrown);
  }
}

function corrupt(what: string, line?: number, cause?: unknown): NixCompatError {
  const where = line === undefined ? "" : ` at line ${line}`;
  const context = line === undefined ? undefined : { line };
  return new NixCompatError("invalid-nar-info", `not a narinfo${where}: ${what}`, { context, cause });
}
