/*
The evaluator's thread: one evaluator for its life, one job at a time. What the evaluation wants stored is posted in batches while it runs; nothing
is waited for. Reads of the store are synchronous, like all reads here.
*/

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { assert } from "@firn/base";
import { EvalError, Evaluator, type LanguageOptions, type Positions } from "@firn/eval";
import type { PendingObject } from "@firn/glue";
import { EvalStore, storeBuiltins, StoreIo } from "@firn/glue/evaluation";
import { useNodeKernels } from "@firn/hash/node";
import { BlockingRealiser } from "./blocking-realiser.ts";
import { DiskCodeStore } from "./disk-code-store.ts";
import { DiskFiles } from "./disk-files.ts";
import type {
  EvaluatedDerivation,
  FailureData,
  ObserveSettings,
  WorkerMessage,
  WorkerRequest,
  WorkerStart,
} from "./job.ts";
import { Observation } from "./observation.ts";
import { runJob } from "./run-job.ts";
import { placeAt, renderError } from "./render-error.ts";
import { SyncStoreFiles } from "./sync-store-files.ts";

const BATCH_OBJECTS = 256;

assert(parentPort !== null, "worker.ts runs in a worker thread");
const port: MessagePort = parentPort;
const { settings, cancelWord, answers, answeredWord }: WorkerStart = workerData;

useNodeKernels();
// Errors are ordinary results here; their JavaScript stacks would cost time and are never shown.
if (!process.env.FIRN_DEBUG) Error.stackTraceLimit = 0;

let collect = false;
let batch: PendingObject[] = [];

function post(message: WorkerMessage): void {
  port.postMessage(message);
}

function flush(): void {
  if (batch.length > 0) post({ type: "pending", objects: batch });
  batch = [];
}

function found(derivation: EvaluatedDerivation): void {
  if (!collect) return;
  flush();
  post({ type: "derivation", derivation });
}

const files = new DiskFiles();
const { localStore } = settings;
const store = new EvalStore({
  storeDir: settings.storeDir,
  files,
  ...(localStore === undefined ? {} : { store: new SyncStoreFiles(localStore, settings.storeDir) }),
  realiser: new BlockingRealiser({
    post: (request) => post({ type: "wait", request }),
    answers,
    answered: new Int32Array(answeredWord),
    cancelled: new Int32Array(cancelWord),
  }),
  ...(settings.experimentalFeatures === undefined ? {} : { experimentalFeatures: settings.experimentalFeatures }),
  ...(settings.allowImportFromDerivation === undefined
    ? {}
    : { allowImportFromDerivation: settings.allowImportFromDerivation }),
  onPending: (object) => {
    if (!collect) return;
    batch.push(object);
    if (batch.length >= BATCH_OBJECTS) flush();
  },
});
const io = new StoreIo({
  store,
  environment: (name) => settings.environment[name] ?? "",
  log: (kind, text, about) => {
    const data = about && {
      code: about.code,
      summary: about.summary,
      message: text,
      ...placeAt(about.pos, positions()),
    };
    post({ type: "log", kind, text, ...(data === undefined ? {} : { about: data }) });
  },
});
const observation = observes(settings.observe)
  ? new Observation(settings.observe, (text) => post({ type: "log", kind: "info", text }))
  : undefined;
const evaluator = new Evaluator({
  io,
  builtins: storeBuiltins(store),
  searchPath: settings.searchPath,
  currentSystem: settings.system,
  currentTime: settings.currentTime,
  cancelWord: new Int32Array(cancelWord),
  ...(settings.codeCache === undefined ? {} : { codeStore: new DiskCodeStore(settings.codeCache) }),
  ...(settings.homeDirectory === undefined ? {} : { homeDirectory: settings.homeDirectory }),
  ...(observation === undefined ? {} : { observer: observation.observer }),
  language: { ...languageFeatures(settings.experimentalFeatures), ...settings.language },
  ...(settings.callDepthMax === undefined ? {} : { callDepthMax: settings.callDepthMax }),
});

if (observation !== undefined) observation.positions = evaluator.positions;

function observes(observe: ObserveSettings | undefined): observe is ObserveSettings {
  return observe?.statistics !== undefined || observe?.traceFunctionCalls === true;
}

/** What experimental features do to the language itself. */
function languageFeatures(names: readonly string[] = []): LanguageOptions {
  return {
    pipeOperators: names.includes("pipe-operators"),
    tomlTimestamps: names.includes("parse-toml-timestamps"),
    blake3Hashes: names.includes("blake3-hashes"),
  };
}

/** The evaluator is made after what it logs by. */
function positions(): Positions {
  return evaluator.positions;
}

function failureOf(thrown: unknown): FailureData {
  if (thrown instanceof EvalError) {
    const { showTrace = false, failuresAsData = false } = settings;
    return renderError(thrown, evaluator.positions, showTrace, failuresAsData);
  }
  throw thrown;
}

port.on("message", (request: WorkerRequest) => {
  if (request === "statistics") return post({ type: "statistics", statistics: observation?.statistics() });
  collect = request.collect;
  try {
    const result = evaluator.run(() => runJob(evaluator, request.job, found));
    flush();
    observation?.flush();
    post({ type: "result", result });
  } catch (thrown) {
    batch = [];
    observation?.flush();
    post({ type: "failure", failure: failureOf(thrown) });
  }
});
