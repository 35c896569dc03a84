/*
The rules a Node and its name must keep, the same in Snix and Tvix (castore.v1). Everything that makes a Directory or takes a
node from outside goes through here, so that no later code has to ask again.
*/

import { type ByteString, textOf } from "@firn/base";
import { CastoreError } from "./error.ts";
import { type Digest, NAME_BYTES_MAX, type Node, TARGET_BYTES_MAX } from "./node.ts";

const HEX_DIGITS = 64;

/** Throws `invalid-name` unless `name` can be an entry of a directory. */
export function checkName(name: ByteString): void {
  const problem = nameProblem(name);
  if (problem === undefined) return;
  throw new CastoreError("invalid-name", `name ${quote(name)} ${problem}`);
}

/** What is wrong with the name of an entry, or undefined. */
export function nameProblem(name: ByteString): string | undefined {
  if (name.length === 0) return "is empty";
  if (name.length > NAME_BYTES_MAX) return `has ${name.length} bytes, at most ${NAME_BYTES_MAX} are allowed`;
  if (name === "." || name === "..") return "has a meaning of its own in paths";
  for (let i = 0; i < name.length; i++) {
    const byte = name.charCodeAt(i);
    if (byte === 0) return "holds a NUL byte";
    if (byte === 0x2f) return "holds a slash";
    if (byte > 0xff) return "is not a byte string";
  }
  return undefined;
}

/** Throws `invalid-target` unless `target` can be the target of a symlink. */
export function checkTarget(target: ByteString): void {
  if (target.length === 0) throw new CastoreError("invalid-target", "the target of a symlink is empty");
  if (target.length > TARGET_BYTES_MAX) {
    const message = `the target of a symlink has ${target.length} bytes, at most ${TARGET_BYTES_MAX} are allowed`;
    throw new CastoreError("invalid-target", message);
  }
  for (let i = 0; i < target.length; i++) {
    const byte = target.charCodeAt(i);
    if (byte === 0) throw new CastoreError("invalid-target", `the symlink target ${quote(target)} holds a NUL byte`);
    if (byte > 0xff) throw new CastoreError("invalid-target", `the symlink target ${quote(target)} is no byte string`);
  }
}

/** Throws unless the digest, size or target of a node keep the rules (`invalid-digest`, `invalid-directory`, `invalid-target`). */
export function checkNode(node: Node): void {
  if (node.kind === "symlink") {
    checkTarget(node.target);
    return;
  }
  checkDigest(node.digest);
  if (!Number.isSafeInteger(node.size) || node.size < 0) {
    throw new CastoreError("invalid-directory", `a size must be an integer from 0 to 2^53-1, got ${node.size}`);
  }
}

/** Throws `invalid-digest` unless the digest is 64 lower-case hex digits. */
export function checkDigest(digest: Digest): void {
  let good = digest.length === HEX_DIGITS;
  for (let i = 0; good && i < HEX_DIGITS; i++) {
    const char = digest.charCodeAt(i);
    good = (char >= 0x30 && char <= 0x39) || (char >= 0x61 && char <= 0x66);
  }
  if (!good) {
    throw new CastoreError("invalid-digest", `not 64 lower-case hex digits: ${JSON.stringify(digest.slice(0, 100))}`);
  }
}

/** A byte string for a message: decoded, quoted and cut. */
export function quote(text: ByteString): string {
  return JSON.stringify(textOf(text.length > 300 ? `${text.slice(0, 300)}...` : text));
}
