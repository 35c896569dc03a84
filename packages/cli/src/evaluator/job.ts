/*
What is asked of the evaluator's thread, and what it answers: plain data, because it crosses threads. Texts are byte strings.
*/

import type { EvalCounts, LanguageOptions, LogKind, SearchPathEntry } from "@firn/eval";
import type { PendingObject } from "@firn/glue";
import type { FetchRequest, RealiseRequest } from "@firn/glue/evaluation";
import type { MessagePort } from "node:worker_threads";

/** What all evaluations of a host share. */
export type EvaluatorSettings = {
  readonly storeDir: string;
  readonly searchPath: readonly SearchPathEntry[];
  readonly system: string;
  readonly homeDirectory: string | undefined;
  /** Values for `builtins.getEnv`. */
  readonly environment: Readonly<Record<string, string>>;
  /** Seconds since 1970, for `builtins.currentTime`. */
  readonly currentTime: number;
  /** The local store to read below the store directory from; undefined: nothing is there. */
  readonly localStore: string | undefined;
  /** Host directory to keep compiled code in; without one nothing is kept. */
  readonly codeCache?: string;
  readonly callDepthMax?: number;
  readonly showTrace?: boolean;
  /** Whether failures have their trace as data too. */
  readonly failuresAsData?: boolean;
  readonly language?: LanguageOptions;
  /** What is watched of the evaluations; nothing when not said. */
  readonly observe?: ObserveSettings;
  /** Names of C++ Nix's experimental features that are enabled; none when not said. */
  readonly experimentalFeatures?: readonly string[];
  /** Whether something may be built because the evaluation reads it; true when not said. */
  readonly allowImportFromDerivation?: boolean;
};

export type ObserveSettings = {
  /** Whether to count what happens, and calls by what is called too. */
  readonly statistics?: "totals" | "calls";
  /** Whether each call's begin and end is told, as log of kind `info`. */
  readonly traceFunctionCalls?: boolean;
};

/** `file` is absent for what is no file. */
export type StatisticsPlace = { readonly file?: string; readonly line?: number; readonly column?: number };

/** In C++ Nix's words; times in seconds. */
export type EvalStatistics = EvalCounts & {
  /** Of the whole process. */
  readonly cpuTime: number;
  readonly time: { readonly cpu: number; readonly gc: number; readonly gcFraction: number };
  readonly gc: { readonly heapSize: number; readonly totalBytes: number; readonly cycles: number };
  readonly primops?: Readonly<Record<string, number>>;
  readonly functions?: readonly (StatisticsPlace & { readonly name: string | null; readonly count: number })[];
  readonly attributes?: readonly (StatisticsPlace & { readonly count: number })[];
};

/** What an evaluation says: of the program (LogKind), or lines about it that were asked for. */
export type NoteKind = LogKind | "info";

export type EvalSource =
  | { readonly kind: "file" /** Absolute. */; readonly path: string }
  /** What `<name>` stands for. */
  | { readonly kind: "search-path"; readonly name: string }
  | {
      readonly kind: "expression";
      /** What messages call it: `«string»`, unless it came from elsewhere. */
      readonly label?: string;
      readonly text: string /** Absolute; for relative paths. */;
      readonly baseDirectory: string;
    };

export type EvalArgument = { readonly name: string; readonly kind: "expr" | "string"; readonly value: string };

export type EvalOutput =
  | {
      readonly kind: "value";
      readonly strict: boolean;
      readonly format: "nix" | "json" | "raw" | "xml";
      /** In XML: whether places are named. */
      readonly location?: boolean;
    }
  /** The paths that names stand for on the search path. */
  | { readonly kind: "find-file"; readonly names: readonly string[] }
  | { readonly kind: "derivations" }
  | { readonly kind: "code" }
  | { readonly kind: "parse" };

export type EvalJob = {
  readonly source: EvalSource;
  /** `a.b."c.d".0`; none means the whole value. */
  readonly attrPaths: readonly string[];
  readonly args: readonly EvalArgument[];
  /** Absolute; what relative paths in `args` are relative to, instead of where the source is. */
  readonly argsDirectory?: string;
  readonly output: EvalOutput;
};

export type EvaluatedDerivation = {
  /** Where it was found; empty for the whole value. */
  readonly attrPath: string;
  readonly name: string;
  /** Absolute store path. */
  readonly drvPath: string;
  readonly outputs: readonly { readonly name: string; readonly path: string }[];
  /** The output that was selected (`hello.dev`): `out` or the first, unless chosen. */
  readonly outputName: string;
};

export type EvalResult =
  /** One text per attribute path, without a line end. */
  | { readonly kind: "printed"; readonly texts: readonly string[] }
  | { readonly kind: "derivations"; readonly derivations: readonly EvaluatedDerivation[] };

export type FailurePlace = {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line and its neighbours. */
  readonly excerpt: readonly { readonly line: number; readonly text: string }[];
};

/** A failure or warning as data. Texts are byte strings; `message` is the whole one for a person, excerpt and trace included. */
export type FailureData = {
  readonly code: string;
  readonly summary: string;
  readonly message: string;
  /** Of a syntax error: the diagnostic's code. */
  readonly reason?: string;
  readonly suggestion?: string;
  readonly position?: FailurePlace;
  /** Outermost first; where the settings ask for data. */
  readonly trace?: readonly { readonly message: string; readonly position?: FailurePlace }[];
  /** Frames in the middle of `trace` that were left out. */
  readonly framesOmitted?: number;
};

/** What the thread waits for. */
export type WaitRequest = ({ readonly kind: "realise" } & RealiseRequest) | ({ readonly kind: "fetch" } & FetchRequest);

/** `paths` are of the outputs, or the one of what was fetched. */
export type WaitAnswer = { readonly paths: readonly string[] } | { readonly error: string };

/** From the thread. */
export type WorkerMessage =
  /** The thread stands still until it was answered. */
  | { readonly type: "wait"; readonly request: WaitRequest }
  | { readonly type: "pending"; readonly objects: readonly PendingObject[] }
  /** What it needs stored was posted before. */
  | { readonly type: "derivation"; readonly derivation: EvaluatedDerivation }
  | { readonly type: "log"; readonly kind: NoteKind; readonly text: string; readonly about?: FailureData }
  | { readonly type: "statistics"; readonly statistics: EvalStatistics | undefined }
  | { readonly type: "result"; readonly result: EvalResult }
  | { readonly type: "failure"; readonly failure: FailureData };

/** To the thread. `collect`: whether what the evaluation wants stored is wanted. */
export type WorkerRequest = { readonly job: EvalJob; readonly collect: boolean } | "statistics";

/** To the thread, at its start: settings, and the word that stops an evaluation when it is not 0. */
export type WorkerStart = {
  readonly settings: EvaluatorSettings;
  readonly cancelWord: SharedArrayBuffer;
  /** Where answers to `wait` come, and the word that is 1 when one is there. */
  readonly answers: MessagePort;
  readonly answeredWord: SharedArrayBuffer;
};
