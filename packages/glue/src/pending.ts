/*
What an evaluation wants to have in the store. The evaluator only computes store paths; it posts these objects as it goes, and whoever
owns the store writes them (write-pending.ts) before a build, or at the end. They are plain data, so that they can cross threads.
*/

import type { ByteString } from "@firn/base";

export type PendingObject =
  /** A .drv file. */
  | {
      readonly kind: "derivation";
      /** Absolute store path. */
      readonly path: ByteString;
      readonly text: ByteString;
      /** Absolute store paths, sorted. */
      readonly references: readonly ByteString[];
    }
  /** A file made by the evaluation (`builtins.toFile`). */
  | {
      readonly kind: "text";
      readonly path: ByteString;
      readonly text: ByteString;
      readonly references: readonly ByteString[];
    }
  /** A copy of something on the host, or of something in the store. */
  | {
      readonly kind: "source";
      readonly path: ByteString;
      /** Where it is: an absolute path, byte string. Below the store directory it is a path of the store, not of the host. */
      readonly hostPath: ByteString;
      /** How the store path follows from the contents. */
      readonly method: "nar" | "flat";
      /** Hash of the NAR (nar) or of the contents (flat) that the store path was computed from, hex. What is written must have it. */
      readonly sha256: string;
      /** Paths relative to the root that belong to the copy, where a filter chose; absent: all. */
      readonly included?: readonly ByteString[];
      /** What the copy refers to, absolute and sorted: kept of a copy of something in the store. Absent: nothing. */
      readonly references?: readonly ByteString[];
    }
  /** What an address leads to, which is fetched when it is needed: what it must be is known. */
  | {
      readonly kind: "fetch";
      readonly path: ByteString;
      readonly url: string;
      /** Whether the archive at the address is unpacked; then the hash is of the NAR, otherwise of the file's contents. */
      readonly unpack: boolean;
      /** Hex. */
      readonly sha256: string;
    };
