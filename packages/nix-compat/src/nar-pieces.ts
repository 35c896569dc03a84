/*
The bytes of a NAR that are not contents of files, piece by piece, and how long each is. A NAR is then a list of literal pieces with holes for
contents between them, so that any range can be made without what is before it. `NarWriter` is the simpler tool where all is written.

    archive := magic node
    node    := directoryOpen (entryOpen(name) node close)* close | fileOpen(size) contents fileClose(size) | symlink(target)

Names and targets are checked, order and depth are the caller's.
*/

import type { ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { NAR_MAGIC, narNameProblem, narPadding, narTargetProblem } from "./nar.ts";

const MAGIC = piece(NAR_MAGIC);
const DIRECTORY_OPEN = piece("(", "type", "directory");
const CLOSE = piece(")");
const FILE_OPEN = piece("(", "type", "regular", "contents");
const EXECUTABLE_OPEN = piece("(", "type", "regular", "executable", "", "contents");
const SYMLINK_OPEN = piece("(", "type", "symlink", "target");
const ENTRY_OPEN = piece("entry", "(", "name");
const ENTRY_NODE = piece("node");
/** By the number of zeros before them. */
const FILE_CLOSES = Array.from({ length: 8 }, (_, zeros) => {
  const bytes = new Uint8Array(zeros + CLOSE.length);
  bytes.set(CLOSE, zeros);
  return bytes;
});

/** Most bytes any one piece takes. */
export const NAR_PIECE_BYTES_MAX = 5 * 1024;

/** Literal pieces, each written to a buffer that has room for it. All yield where the piece ends. */
export const narPieces = {
  magic: (to: Uint8Array, at: number): number => put(to, at, MAGIC),
  directoryOpen: (to: Uint8Array, at: number): number => put(to, at, DIRECTORY_OPEN),
  /** Ends a directory, and an entry. */
  close: (to: Uint8Array, at: number): number => put(to, at, CLOSE),
  /** Throws `invalid-nar` for what cannot be a name. */
  entryOpen(to: Uint8Array, at: number, name: ByteString): number {
    const problem = narNameProblem(name);
    if (problem !== undefined) throw new NixCompatError("invalid-nar", `the name '${name.slice(0, 300)}' ${problem}`);
    return put(to, writeToken(to, put(to, at, ENTRY_OPEN), name), ENTRY_NODE);
  },
  fileOpen(to: Uint8Array, at: number, size: number, executable: boolean): number {
    const end = put(to, at, executable ? EXECUTABLE_OPEN : FILE_OPEN);
    writeNumber(to, end, size);
    return end + 8;
  },
  fileClose: (to: Uint8Array, at: number, size: number): number => put(to, at, FILE_CLOSES[narPadding(size)]),
  /** Throws `invalid-nar` for what cannot be a target. */
  symlink(to: Uint8Array, at: number, target: ByteString): number {
    const problem = narTargetProblem(target);
    if (problem !== undefined)
      throw new NixCompatError("invalid-nar", `the symlink target '${target.slice(0, 300)}' ${problem}`);
    return put(to, writeToken(to, put(to, at, SYMLINK_OPEN), target), CLOSE);
  },
};

/** Lengths of what `narPieces` makes, in bytes; contents are not counted. */
export const narLengths = {
  magic: MAGIC.length,
  /** A directory without its entries. */
  directory: DIRECTORY_OPEN.length + CLOSE.length,
  /** An entry without its node. */
  entry: (name: ByteString): number => ENTRY_OPEN.length + tokenLength(name.length) + ENTRY_NODE.length + CLOSE.length,
  /** The end of a directory or an entry. */
  close: CLOSE.length,
  /** A file up to its contents. */
  fileOpen: (executable: boolean): number => (executable ? EXECUTABLE_OPEN : FILE_OPEN).length + 8,
  /** A whole file, contents included. */
  file: (size: number, executable: boolean): number =>
    (executable ? EXECUTABLE_OPEN : FILE_OPEN).length + tokenLength(size) + CLOSE.length,
  symlink: (target: ByteString): number => SYMLINK_OPEN.length + tokenLength(target.length) + CLOSE.length,
};

function tokenLength(length: number): number {
  return 8 + length + narPadding(length);
}

function piece(...tokens: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(tokens.reduce((sum, token) => sum + tokenLength(token.length), 0));
  let at = 0;
  for (const token of tokens) at = writeToken(bytes, at, token);
  return bytes;
}

function put(to: Uint8Array, at: number, piece: Uint8Array): number {
  to.set(piece, at);
  return at + piece.length;
}

function writeToken(to: Uint8Array, start: number, text: ByteString): number {
  writeNumber(to, start, text.length);
  const from = start + 8;
  for (let i = 0; i < text.length; i++) to[from + i] = text.charCodeAt(i);
  const end = start + tokenLength(text.length);
  for (let i = from + text.length; i < end; i++) to[i] = 0;
  return end;
}

function writeNumber(to: Uint8Array, start: number, value: number): void {
  for (let i = 0, rest = value; i < 8; i++) {
    to[start + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
