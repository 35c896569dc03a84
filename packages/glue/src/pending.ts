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
  /** A copy of something on the host. */
  | {
      readonly kind: "source";
      readonly path: ByteString;
      /** Absolute host path, a byte string. */
      readonly hostPath: ByteString;
      /** How the store path follows from the contents. */
      readonly method: "nar" | "flat";
      /** Hash of the NAR (nar) or of the contents (flat) that the store path was computed from, hex. What is written must have it. */
      readonly sha256: string;
      /** Paths relative to the root that belong to the copy, where a filter chose; absent: all. */
      readonly included?: readonly ByteString[];
    };
