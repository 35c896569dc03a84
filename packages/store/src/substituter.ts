/*
Somewhere paths can be had from without building them: a binary cache, another machine. It says what it has and brings contents when it is asked
to; whether it is to be believed is decided by who asks (substitution.ts).
*/

import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";
import type { DescribedPath } from "./path-info.ts";
import type { Realisation } from "./realisation.ts";

export type TakeOptions = CallOptions & {
  /** Hears of bytes as they come, packed as they are. */
  readonly onBytes?: (count: number) => void;
};

/** A path somebody says he has. */
export interface Offer {
  readonly described: DescribedPath;
  /** Who says so, for messages. */
  readonly source: string;
  /** How much would come, in bytes, where that is known. */
  readonly downloadBytes: number | undefined;
  /** Brings the contents, which must be found to have the NAR hash and size that are described. Throws `mismatch`, and `retryable` errors for lost connections. */
  take(to: CastoreServices, options: TakeOptions): Promise<Node>;
}

export interface Substituter {
  /** For messages. */
  readonly label: string;
  /** Lower is asked first. Throws when it cannot be reached, or is one for another store directory. */
  priority(options?: CallOptions): Promise<number>;
  /** What it says of a path; undefined when it has none with that hash part. */
  offer(hashPart: string, options?: CallOptions): Promise<Offer | undefined>;
  /** What it says an output came out as, which is for the asker to judge. Absent where it keeps no such things. */
  realisation?(drvPath: StorePath, output: string, options?: CallOptions): Promise<Realisation | undefined>;
}
