/*
What a daemon of Nix's worker protocol is made on: a store, and what can be done with it beyond reading and registering. What is absent is refused to
clients in words. The gateway knows neither the evaluator nor any backend, so this is said by whoever puts the process together.
*/

import type { ByteString, FirnError } from "@firn/base";
import type { CallOptions, Lease, LeaseService } from "@firn/castore";
import type { Derivation, StorePath } from "@firn/nix-compat";
import type { Offer, RealisationService, StoreServices, TrustedKeys } from "@firn/store";
import type { BuildLogs } from "./build-logs.ts";

export interface DaemonHost {
  readonly storeDir: string;
  readonly services: StoreServices;
  readonly leases: LeaseService;
  readonly realisations?: RealisationService;
  /** Whose signatures make a path acceptable that does not follow from its contents. */
  readonly trustedKeys: TrustedKeys;
  /** What clients are told as the version of Nix. */
  readonly programVersion: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly build?: DaemonBuild;
  /** Where logs go that clients bring. */
  readonly logs?: BuildLogs;
  /** Opens what paths can be had from; undefined where that is nothing. */
  readonly openSources?: (options: DaemonSourcesOptions) => DaemonSources | undefined;
  readonly roots?: DaemonRoots;
  readonly collectGarbage?: DaemonCollect;
  /** Looks for damage; yields whether any is left. Findings are told to `onFinding` in words. */
  readonly verify?: (options: {
    readonly contents: boolean;
    readonly repair: boolean;
    readonly signal: AbortSignal;
    readonly onFinding: (text: string) => void;
  }) => Promise<boolean>;
  /** Makes real files of paths where clients look for them, before they are told that the paths are there. */
  readonly show?: (paths: readonly StorePath[], signal: AbortSignal) => Promise<void>;
}

export type DaemonSourcesOptions = {
  /** Holds what is brought; whoever only looks needs none. */
  readonly lease: Lease | undefined;
  /** Takes a line for the client: what comes from where, and what is wrong with a source. */
  readonly say: (text: ByteString) => void;
};

/** Stores and caches elsewhere, while they are open. What fails is passed over, and said. */
export interface DaemonSources extends Disposable {
  /** Whether outputs of a derivation may come from elsewhere at all. */
  mayReplace(derivation: Derivation): boolean;
  /** What is said of a path by the first who has it and is believed. */
  offer(path: StorePath, options: CallOptions): Promise<Offer | undefined>;
  /** Brings paths with what they refer to; yields whether all are there then. Throws when one was offered and could not be had. */
  bring(paths: readonly StorePath[], options: CallOptions): Promise<boolean>;
}

/** What clients may say about builds; absent where they said nothing or may not. */
export type DaemonBuildSettings = {
  readonly keepGoing: boolean;
  /** Whether paths may come from elsewhere. */
  readonly substitute: boolean;
  readonly jobsMax?: number;
  readonly cores?: number;
  readonly timeoutMs?: number;
  readonly silenceMs?: number;
};

export type DaemonBuildOptions = DaemonBuildSettings & {
  readonly signal: AbortSignal;
  readonly lease: Lease;
  /** A derivation that is not in the store, with its path. */
  readonly given?: { readonly drvPath: ByteString; readonly derivation: Derivation };
  readonly onEvent: (event: DaemonBuildEvent) => void;
  /** As for `openSources`. */
  readonly say: (text: ByteString) => void;
};

export type DaemonBuildTarget = { readonly drvPath: ByteString; readonly outputs: readonly string[] | "all" };

/** Builds what is missing; yields absolute output paths by output name, by path of the .drv. Throws when a target failed. */
export type DaemonBuild = (
  targets: readonly DaemonBuildTarget[],
  options: DaemonBuildOptions,
) => Promise<ReadonlyMap<ByteString, ReadonlyMap<string, ByteString>>>;

export type DaemonBuildCounts = {
  readonly planned: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
};

export type DaemonBuildEvent =
  | { readonly type: "planned"; readonly counts: DaemonBuildCounts }
  | { readonly type: "started"; readonly drvPath: ByteString; readonly counts: DaemonBuildCounts }
  | { readonly type: "log"; readonly drvPath: ByteString; readonly line: ByteString }
  | { readonly type: "finished"; readonly drvPath: ByteString; readonly counts: DaemonBuildCounts }
  | {
      readonly type: "failed";
      readonly drvPath: ByteString;
      readonly error: FirnError;
      readonly because?: ByteString;
      readonly counts: DaemonBuildCounts;
    };

export type DaemonRoots = {
  /** Holds what the link at an absolute host path leads to. Throws when it leads to no registered path. */
  readonly addIndirect: (link: ByteString) => Promise<void>;
  /** Makes a link at an absolute host path and holds what it leads to. */
  readonly addPermanent: (root: ByteString, path: StorePath) => Promise<void>;
  readonly list: () => Promise<readonly { readonly link: ByteString; readonly path: StorePath }[]>;
};

export type DaemonCollect = (options: {
  readonly dryRun: boolean;
  readonly maxFreedBytes?: number;
  readonly only?: readonly StorePath[];
  readonly signal: AbortSignal;
}) => Promise<{ readonly deadPaths: readonly StorePath[]; readonly freedBytes: number }>;
