/*
The files of the machine that evaluates, as the evaluator's side of glue wants them: synchronous, by absolute path, bytes as they
are. Who hosts the evaluator implements it over a disk or over memory; glue itself touches neither.
*/

import type { ByteString } from "@firn/base";
import type { FileKind } from "@firn/eval";

export type HostFileStatus = { readonly kind: FileKind; readonly executable: boolean };

/** Paths are absolute and canonical byte strings. Failures other than "not there" must be thrown as EvalError `io`. */
export interface HostFiles {
  /** What is there without following a symlink, or undefined when nothing is. `executable` is the owner's x bit. */
  status(path: ByteString): HostFileStatus | undefined;
  /** The whole file; follows symlinks. */
  readFile(path: ByteString): Uint8Array;
  /** The whole file as a byte string: the quick way for sources. */
  readText(path: ByteString): ByteString;
  readDirectory(path: ByteString): readonly (readonly [ByteString, FileKind])[];
  readLink(path: ByteString): ByteString;
}
