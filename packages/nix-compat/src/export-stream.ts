/*
The stream of `nix-store --export`: several paths one after another, each a NAR followed by what the store says of it. Integers are 64-bit
little-endian, strings as in a NAR.

    { 1  NAR  "NIXE"  path  references (count, strings)  deriver or ""  0, or 1 and a signature nobody looks at }*  0

It is written in the order of dependencies, so that whoever reads can register each path as it comes. Nothing in it is signed or hashed:
what is read is as good as where it came from. Follows exportPaths and importPaths.
*/

import { assert, ByteSource, type ByteStream, type ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { WIRE_PATH_BYTES_MAX, WireReader, WireWriter } from "./wire.ts";

const MAGIC = 0x4558494e;
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
  return new WireWriter().integer(1).take();
}

/** What stands behind each NAR. */
export function exportTrailer({ path, references, deriver }: ExportTrailer): Uint8Array {
  const writer = new WireWriter().integer(MAGIC).text(path).integer(references.length);
  for (const reference of references) writer.text(reference);
  return writer
    .text(deriver ?? "")
    .integer(0)
    .take();
}

/** What ends the stream. */
export function exportEnd(): Uint8Array {
  return new WireWriter().integer(0).take();
}

/** The paths of a stream, in its order. What follows its end is left unread. Throws `invalid-export`, `invalid-nar` or `limit`. */
export async function* readExport(source: ByteStream): AsyncGenerator<ExportedPath, void> {
  await using bytes = new ByteSource(source);
  const reader = new WireReader(bytes, invalid);
  for (;;) {
    const more = await reader.integer();
    if (more === 0) return;
    if (more !== 1) throw invalid("the input does not look like something created by 'nix-store --export'");
    let narEnded = false;
    let trailerRead = false;
    const nar = async function* () {
      yield* reader.nar();
      narEnded = true;
    };
    const trailer = async () => {
      assert(narEnded, "a path's NAR is read to its end before its trailer");
      const read = await readTrailer(reader);
      trailerRead = true;
      return read;
    };
    yield { nar: nar(), trailer };
    assert(trailerRead, "a path's trailer is read before the next path");
  }
}

async function readTrailer(reader: WireReader): Promise<ExportTrailer> {
  if ((await reader.integer()) !== MAGIC) throw invalid("a NAR is not followed by what the store says of its path");
  const path = await reader.text(WIRE_PATH_BYTES_MAX, "store path");
  const count = await reader.count(EXPORT_REFERENCES_MAX, `references of ${path}`);
  const references: ByteString[] = [];
  for (let i = 0; i < count; i++) references.push(await reader.text(WIRE_PATH_BYTES_MAX, "store path"));
  const deriver = await reader.text(WIRE_PATH_BYTES_MAX, "store path");
  if ((await reader.integer()) === 1) await reader.text(SIGNATURE_BYTES_MAX, "signature");
  return { path, references, ...(deriver === "" ? {} : { deriver }) };
}

function invalid(what: string): NixCompatError {
  return new NixCompatError("invalid-export", what);
}
