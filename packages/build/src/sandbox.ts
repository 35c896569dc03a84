/*
What runs the processes of one attempt, apart from the rest of the machine. A sandbox knows host paths and processes; it knows nothing of
castore: its inputs were exposed as files before, its outputs are imported after.
*/

import type { ByteString } from "@firn/base";
import type { AttemptEnd, AttemptUsage } from "./attempt.ts";
import type { BuildServiceSupports } from "./build-service.ts";

export type SandboxJob = {
  /** Host paths to show read-only inside. */
  readonly inputs: readonly { readonly path: ByteString; readonly hostPath: string }[];
  readonly argv: readonly ByteString[];
  /** What the program gets as its own name instead of its path. */
  readonly argv0?: ByteString;
  /** All there is, but for PWD, which is always the working directory. */
  readonly env: readonly { readonly name: ByteString; readonly value: ByteString }[];
  readonly files: readonly { readonly path: ByteString; readonly contents: ByteString }[];
  readonly workingDirectory: ByteString;
  readonly outputs: readonly ByteString[];
  readonly network: boolean;
  readonly shell: boolean;
  /** False: the host's files are shown too, read-only, and its network is reachable whatever `network` says (`__noChroot`). Absent is true. */
  readonly sandboxed?: boolean;
  readonly buildSpaceBytes?: number;
  /** Most memory all processes of the job may use together. Rejects with `unsupported` where the sandbox cannot bound it. */
  readonly memoryBytes?: number;
  /** Most bytes the log may have; the end is then `log-limit`, and the log has exactly that many. */
  readonly logBytesMax?: number;
  readonly timeoutMs?: number;
  readonly silenceMs?: number;
};

export type SandboxResult = AttemptUsage & {
  readonly end: AttemptEnd;
  /** Host path of each output, in the job's order, undefined where it was not made. Valid until `dispose`. */
  readonly outputs: readonly (string | undefined)[];
};

export interface Sandbox {
  readonly name: string;
  readonly isolation: BuildServiceSupports["isolation"];

  /**
   * Runs the job to its end. No process of it is alive when this resolves. `onLog` gets stdout and stderr as they come; it is done with a buffer when it returns.
   * The signal kills the job, the end is then `cancelled`. Rejects only when the sandbox itself fails (`sandbox`).
   * With a `turn` all is prepared before that is asked for.
   */
  run(job: SandboxJob, onLog: (bytes: Uint8Array) => void, signal: AbortSignal, turn?: Turn): Promise<SandboxRun>;
}

/** When a program may run that shares the machine with others; what is to be done before and after can be done beside theirs. */
export type Turn = {
  /** Must be awaited before the program is started; with false it must not be, and the end is `cancelled`. Once begun, again is at once. */
  readonly begin: () => Promise<boolean>;
  /** May be called as soon as the program has ended. */
  readonly end: () => void;
};

/** A finished run whose files are still there. */
export interface SandboxRun extends AsyncDisposable {
  readonly result: SandboxResult;
  /** Removes the build directory and the outputs. */
  dispose(): Promise<void>;
}
