/*
Logs of builds as caches have them: one for each derivation, under its name. Where they are kept is somebody else's affair.
*/

import type { ByteStream } from "@firn/base";
import type { CallOptions } from "@firn/castore";
import type { StorePath } from "@firn/nix-compat";

export interface BuildLogs {
  /** The plain text, or undefined when there is none. `drvPath` is a .drv. */
  get(drvPath: StorePath, options?: CallOptions): Promise<ByteStream | undefined>;
  /** Keeps a log durably, in place of an earlier one. Absent where none are taken in. */
  put?(drvPath: StorePath, log: ByteStream, options?: CallOptions): Promise<void>;
}
