/*
Host paths as byte strings. Node's strings cannot name every file of a Unix disk, Buffers can; byte strings are joined like strings and
turned into what the system call wants at the last moment.
*/

import { byteStringOfText, type ByteString, isAscii } from "@firn/base";

/** What Node's file functions take for this path: the string itself while it is ASCII, else its bytes. */
export function hostPath(path: ByteString): string | Buffer {
  return isAscii(path) ? path : Buffer.from(path, "latin1");
}

/** The byte string of a host path that came as text. */
export function bytePath(text: string): ByteString {
  return byteStringOfText(text);
}
