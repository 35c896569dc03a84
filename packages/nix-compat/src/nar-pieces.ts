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

/** Literal pieces. Shared or new, not to be written to. */
export const narPieces = {
  magic: (): Uint8Array => MAGIC,
  directoryOpen: (): Uint8Array => DIRECTORY_OPEN,
  /** Ends a directory, and an entry. */
  close: (): Uint8Array => CLOSE,
  /** Throws `invalid-nar` for what cannot be a name. */
  entryOpen(name: ByteString): Uint8Array {
    const problem = narNameProblem(name);
    if (problem !== undefined) throw new NixCompatError("invalid-nar", `the name '${name.slice(0, 300)}' ${problem}`);
    return around(ENTRY_OPEN, name, ENTRY_NODE);
  },
  fileOpen(size: number, executable: boolean): Uint8Array {
    const head = executable ? EXECUTABLE_OPEN : FILE_OPEN;
    const bytes = new Uint8Array(head.length + 8);
    bytes.set(head);
    writeNumber(bytes, head.length, size);
    return bytes;
  },
  fileClose: (size: number): Uint8Array => FILE_CLOSES[narPadding(size)],
  /** Throws `invalid-nar` for what cannot be a target. */
  symlink(target: ByteString): Uint8Array {
    const problem = narTargetProblem(target);
    if (problem !== undefined)
      throw new NixCompatError("invalid-nar", `the symlink target '${target.slice(0, 300)}' ${problem}`);
    return around(SYMLINK_OPEN, target, CLOSE);
  },
};

/** Lengths of what `narPieces` makes, in bytes; contents are not counted. */
export const narLengths = {
  magic: MAGIC.length,
  /** A directory without its entries. */
  directory: DIRECTORY_OPEN.length + CLOSE.length,
  /** An entry without its node. */
  entry: (name: ByteString): number => ENTRY_OPEN.length + tokenLength(name.length) + ENTRY_NODE.length + CLOSE.length,
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

function around(head: Uint8Array, text: ByteString, tail: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + tokenLength(text.length) + tail.length);
  bytes.set(head);
  bytes.set(tail, writeToken(bytes, head.length, text));
  return bytes;
}

function writeToken(to: Uint8Array, start: number, text: ByteString): number {
  writeNumber(to, start, text.length);
  const from = start + 8;
  for (let i = 0; i < text.length; i++) to[from + i] = text.charCodeAt(i);
  return start + tokenLength(text.length);
}

function writeNumber(to: Uint8Array, start: number, value: number): void {
  for (let i = 0, rest = value; i < 8; i++) {
    to[start + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
