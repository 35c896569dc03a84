/*
The stream of `nix-store --export`: several paths one after another, each a NAR followed by what the store says of it. Integers are 64-bit
little-endian, strings as in a NAR.

    { 1  NAR  "NIXE"  path  references (count, strings)  deriver or ""  0, or 1 and a signature nobody looks at }*  0

It is written in the order of dependencies, so that whoever reads can register each path as it comes. Nothing in it is signed or hashed:
what is read is as good as where it came from. Follows exportPaths and importPaths.
*/

import { assert, ByteSource, type ByteStream, type ByteString, byteStringOf, concatBytes } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { narPadding } from "./nar.ts";
import { NarParser } from "./nar-reader.ts";

const MAGIC = 0x4558494e;
/** Longest path or deriver, in bytes. */
const PATH_BYTES_MAX = 4096;
/** Longest legacy signature, in bytes. */
const SIGNATURE_BYTES_MAX = 64 * 1024;
/** Most references of one path. */
export const EXPORT_REFERENCES_MAX = 1 << 16;

/** What follows a NAR. Paths are absolute store paths, unchecked. */
export type ExportTrailer = {
  readonly path: ByteString;
  readonly references: readonly ByteString[];
  readonly deriver?: ByteString;
};

/** One path of a stream. `nar` must be read to its end before `trailer` is called, and that before the next path is asked for. */
export type ExportedPath = {
  readonly nar: ByteStream;
  readonly trailer: () => Promise<ExportTrailer>;
};

/** What stands before each NAR. */
export function exportHead(): Uint8Array {
  return integer(1);
}

/** What stands behind each NAR. */
export function exportTrailer({ path, references, deriver }: ExportTrailer): Uint8Array {
  const parts = [integer(MAGIC), token(path), integer(references.length), ...references.map(token)];
  return concatBytes([...parts, token(deriver ?? ""), integer(0)]);
}

/** What ends the stream. */
export function exportEnd(): Uint8Array {
  return integer(0);
}

/** The paths of a stream, in its order. What follows its end is left unread. Throws `invalid-export`, `invalid-nar` or `limit`. */
export async function* readExport(source: ByteStream): AsyncGenerator<ExportedPath, void> {
  await using bytes = new ByteSource(source);
  for (;;) {
    const more = await readInteger(bytes);
    if (more === 0) return;
    if (more !== 1) throw invalid("the input does not look like something created by 'nix-store --export'");
    let narEnded = false;
    let trailerRead = false;
    const nar = async function* () {
      yield* readNarOf(bytes);
      narEnded = true;
    };
    const trailer = async () => {
      assert(narEnded, "a path's NAR is read to its end before its trailer");
      const read = await readTrailer(bytes);
      trailerRead = true;
      return read;
    };
    yield { nar: nar(), trailer };
    assert(trailerRead, "a path's trailer is read before the next path");
  }
}

async function readTrailer(bytes: ByteSource): Promise<ExportTrailer> {
  if ((await readInteger(bytes)) !== MAGIC) throw invalid("a NAR is not followed by what the store says of its path");
  const path = await readToken(bytes, PATH_BYTES_MAX, "store path");
  const count = await readInteger(bytes);
  if (count > EXPORT_REFERENCES_MAX) {
    throw new NixCompatError("limit", `${path} has ${count} references, the limit is ${EXPORT_REFERENCES_MAX}`);
  }
  const references: ByteString[] = [];
  for (let i = 0; i < count; i++) references.push(await readToken(bytes, PATH_BYTES_MAX, "store path"));
  const deriver = await readToken(bytes, PATH_BYTES_MAX, "store path");
  if ((await readInteger(bytes)) === 1) await readToken(bytes, SIGNATURE_BYTES_MAX, "signature");
  return { path, references, ...(deriver === "" ? {} : { deriver }) };
}

/** The bytes of one NAR, which says by itself where it ends. */
async function* readNarOf(bytes: ByteSource): ByteStream {
  const parser = new NarParser({ followed: true });
  while (!parser.done) {
    const chunk = await bytes.next();
    if (chunk === undefined) throw cut();
    for (const _ of parser.feed(chunk)) {
      // only its end is asked for
    }
    const used = parser.done ? chunk.length - parser.rest.length : chunk.length;
    if (parser.done) bytes.unread(parser.rest);
    yield chunk.subarray(0, used);
  }
}

async function readInteger(source: ByteSource): Promise<number> {
  const bytes = await source.exactly(8, cut);
  let value = 0;
  for (let i = 7; i >= 0; i--) value = value * 256 + bytes[i];
  if (!Number.isSafeInteger(value)) throw new NixCompatError("limit", "an integer is above 2^53");
  return value;
}

async function readToken(source: ByteSource, bytesMax: number, what: string): Promise<ByteString> {
  const length = await readInteger(source);
  if (length > bytesMax)
    throw new NixCompatError("limit", `a ${what} is ${length} bytes long, the limit is ${bytesMax}`);
  const text = byteStringOf(await source.exactly(length, cut));
  for (const byte of await source.exactly(narPadding(length), cut))
    if (byte !== 0) throw invalid("padding is not zero");
  return text;
}

function cut(): NixCompatError {
  return invalid("the stream ends in the middle");
}

function invalid(what: string): NixCompatError {
  return new NixCompatError("invalid-export", what);
}

function integer(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  for (let i = 0, rest = value; i < 8; i++, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

function token(text: ByteString): Uint8Array {
  const bytes = new Uint8Array(8 + text.length + narPadding(text.length));
  bytes.set(integer(text.length));
  for (let i = 0; i < text.length; i++) bytes[8 + i] = text.charCodeAt(i);
  return bytes;
}
