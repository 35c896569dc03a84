/*
The operations of the worker protocol as a table: number, what the client sends, what it is answered. What streams behind a request (`body`) or a reply
is named here and done by who holds the connection, since no NAR is ever in memory. Between request and reply stand log frames
(worker-log.ts).

Follows performOp of C++ Nix 2.35, and 2.8 where it is older than 1.38. Versions below 1.18 are refused in the handshake, so are not told apart here.
*/

import type { HashAlgorithm } from "@firn/hash";
import { isHashAlgorithm } from "@firn/hash";
import { type ContentAddressMethod, methodPrefix, splitMethodPrefix } from "./content-address.ts";
import { WIRE_PATH_BYTES_MAX } from "./wire.ts";
import {
  choose,
  constant,
  flag,
  integer,
  integer64,
  invalidMessage,
  list,
  mapped,
  name,
  obsolete,
  optional,
  optionalStorePath,
  record,
  since,
  storePath,
  text,
  word,
  type WorkerCodec,
  type WorkerValue,
} from "./worker-codec.ts";
import {
  basicDerivation,
  buildMode,
  buildResult,
  contentAddress,
  derivedPaths,
  foundRealisation,
  keyedBuildResults,
  keyedPathInfo,
  pathInfo,
  realisation,
  realisedOutput,
  signatures,
  storePaths,
  WORKER_TEXT_BYTES_MAX,
  type WorkerPathInfo,
} from "./worker-values.ts";
import type { StorePath } from "./store-path.ts";

/** What follows a request: frames; a bare NAR; or what the server asks for piece by piece (1.21 and 1.22 only). */
export type WorkerBody = "framed" | "nar" | "asked";

export type WorkerOperation<Request, Reply> = {
  readonly number: number;
  readonly request: WorkerCodec<Request>;
  readonly reply: WorkerCodec<Reply>;
  /** What follows the request, by version. */
  readonly body?: (version: number) => WorkerBody;
};

const nothing = record({});
/** A reply that only says that it is done. */
const done: WorkerCodec<void> = obsolete(1);
/** No reply at all. */
const silent: WorkerCodec<void> = constant<void>(undefined);
const path = record({ path: storePath });
const hostPath = text(WIRE_PATH_BYTES_MAX, "path");

/** Garbage is collected with referrers of what was named. */
export const FEATURE_DELETE_REFERRERS = "delete-dead-specific-referrers";

/** How contents become a store path. */
export type AddedAs = {
  readonly name: string;
  readonly method: ContentAddressMethod;
  readonly algorithm: HashAlgorithm;
  readonly references: readonly StorePath[];
  readonly repair: boolean;
};

const addedAsNow: WorkerCodec<AddedAs> = mapped(
  record({ name, method: name, references: storePaths, repair: flag }),
  ({ method: written, ...rest }) => {
    const fixed = written.startsWith("fixed:") ? written.slice("fixed:".length) : written;
    const { method, rest: algorithm } = splitMethodPrefix(fixed);
    return { ...rest, method, algorithm: algorithmOf(algorithm) };
  },
  ({ method, algorithm, ...rest }) => ({
    ...rest,
    method: `${method === "text" ? "" : "fixed:"}${methodPrefix(method)}${algorithm}`,
  }),
);

/** Before 1.25. What is not fixed is recursive and sha256, whatever it says. */
const addedAsBefore: WorkerCodec<AddedAs> = mapped(
  record({ name, fixed: flag, recursive: integer, algorithm: name }),
  ({ name, fixed, recursive, algorithm }): AddedAs => {
    if (recursive > 1) throw invalidMessage(`${recursive} is no method of adding`);
    const isNar = !fixed || recursive === 1;
    const method = isNar ? "nar" : "flat";
    return { name, method, algorithm: fixed ? algorithmOf(algorithm) : "sha256", references: [], repair: false };
  },
  ({ name, method, algorithm }) => ({
    name,
    fixed: !(method === "nar" && algorithm === "sha256"),
    recursive: method === "nar" ? 1 : 0,
    algorithm,
  }),
);

function algorithmOf(text: string): HashAlgorithm {
  if (isHashAlgorithm(text)) return text;
  throw invalidMessage(`unknown hash algorithm '${text.slice(0, 100)}'`);
}

/** What was added; before 1.25 only where it is. */
type Added = { readonly path: StorePath; readonly info?: WorkerPathInfo };
const addedNow: WorkerCodec<Added> = mapped(
  keyedPathInfo,
  (added): Added => added,
  ({ path, info }) => {
    if (info === undefined) throw invalidMessage("what was added is answered without its path info");
    return { path, info };
  },
);
const addedBefore: WorkerCodec<Added> = mapped(
  storePath,
  (path): Added => ({ path }),
  ({ path }) => path,
);

const substitutable = record({
  deriver: optionalStorePath,
  references: storePaths,
  downloadBytes: integer,
  narSize: integer,
});
const whole: CollectedPaths = { paths: [], referrers: false, whole: true };

/** What garbage is collected: `whole` for all of it, otherwise these paths, with their referrers where both ends know how. */
type CollectedPaths = { readonly paths: readonly StorePath[]; readonly referrers: boolean; readonly whole: boolean };
const collectedNow: WorkerCodec<CollectedPaths> = {
  read: async (from, session) => {
    const tag = await from.integer();
    if (tag > 1) throw invalidMessage(`${tag} says neither the whole store nor paths of it`);
    if (tag === 1) return whole;
    return { paths: await storePaths.read(from, session), referrers: await from.flag(), whole: false };
  },
  write: (to, { paths, referrers, whole }, session) => {
    to.flag(whole);
    if (whole) return;
    storePaths.write(to, paths, session);
    to.flag(referrers);
  },
};
const collectedBefore = mapped<readonly StorePath[], CollectedPaths>(
  storePaths,
  (paths) => (paths.length === 0 ? whole : { paths, referrers: false, whole: false }),
  ({ paths }) => paths,
);

const setting = record({ name, value: text(1 << 20, "value of a setting") });

/** What a client wants of its connection. Follows ClientSettings. */
const options = record({
  keepFailed: flag,
  keepGoing: flag,
  tryFallback: flag,
  verbosity: integer,
  maxBuildJobs: integer64,
  maxSilentSeconds: integer64,
  useBuildHook: obsolete(1),
  buildVerbosity: integer,
  logType: obsolete(0),
  printBuildTrace: obsolete(0),
  buildCores: integer64,
  useSubstitutes: flag,
  overrides: list(setting, "settings", 1 << 12),
});
export type WorkerOptions = WorkerValue<typeof options>;

export const WORKER_OPERATIONS = {
  isValidPath: operation(1, path, flag),
  queryReferrers: operation(6, path, storePaths),
  addToStore: {
    ...operation(
      7,
      choose(({ version }) => version >= 25, addedAsNow, addedAsBefore),
      choose(({ version }) => version >= 25, addedNow, addedBefore),
    ),
    body: (version: number): WorkerBody => (version >= 25 ? "framed" : "nar"),
  },
  addTextToStore: operation(
    8,
    record({ name, text: text(WORKER_TEXT_BYTES_MAX, "text"), references: storePaths }),
    storePath,
  ),
  buildPaths: operation(9, record({ targets: derivedPaths, mode: buildMode }), done),
  ensurePath: operation(10, path, done),
  addTempRoot: operation(11, path, done),
  addIndirectRoot: operation(12, record({ link: hostPath }), done),
  syncWithGc: operation(13, nothing, done),
  findRoots: operation(14, nothing, list(record({ link: hostPath, path: storePath }), "roots")),
  queryDeriver: operation(18, path, optionalStorePath),
  setOptions: operation(19, options, silent),
  collectGarbage: operation(
    20,
    record({
      action: word(["live", "dead", "delete-dead", "delete-specific"], "action of collecting garbage"),
      collected: choose<CollectedPaths>(
        ({ features }) => features.has(FEATURE_DELETE_REFERRERS),
        collectedNow,
        collectedBefore,
      ),
      ignoreLiveness: flag,
      maxFreedBytes: integer64,
      obsolete1: obsolete(0),
      obsolete2: obsolete(0),
      obsolete3: obsolete(0),
    }),
    record({ paths: list(hostPath, "paths"), freedBytes: integer, obsolete: obsolete(0) }),
  ),
  querySubstitutablePathInfo: operation(21, path, optional(substitutable)),
  queryDerivationOutputs: operation(22, path, storePaths),
  queryAllValidPaths: operation(23, nothing, storePaths),
  queryPathInfo: operation(26, path, optional(pathInfo)),
  queryDerivationOutputNames: operation(28, path, list(name, "outputs")),
  queryPathFromHashPart: operation(29, record({ hashPart: name }), optionalStorePath),
  querySubstitutablePathInfos: operation(
    30,
    list(record({ path: storePath, contentAddress: since(22, contentAddress, undefined) }), "store paths"),
    list(record({ path: storePath, info: substitutable }), "store paths"),
  ),
  queryValidPaths: operation(31, record({ paths: storePaths, substitute: since(27, flag, false) }), storePaths),
  querySubstitutablePaths: operation(32, record({ paths: storePaths }), storePaths),
  queryValidDerivers: operation(33, path, storePaths),
  optimiseStore: operation(34, nothing, done),
  /** The answer is whether errors are left. */
  verifyStore: operation(35, record({ checkContents: flag, repair: flag }), flag),
  buildDerivation: operation(
    36,
    record({ path: storePath, derivation: basicDerivation, mode: buildMode }),
    buildResult,
  ),
  addSignatures: operation(37, record({ path: storePath, signatures }), done),
  /** A bare NAR follows the reply. */
  narFromPath: operation(38, path, silent),
  addToStoreNar: {
    ...operation(39, record({ path: storePath, info: pathInfo, repair: flag, dontCheckSigs: flag }), silent),
    body: (version: number): WorkerBody => (version >= 23 ? "framed" : version >= 21 ? "asked" : "nar"),
  },
  queryMissing: operation(
    40,
    record({ targets: derivedPaths }),
    record({
      willBuild: storePaths,
      willSubstitute: storePaths,
      unknown: storePaths,
      downloadBytes: integer,
      narSize: integer,
    }),
  ),
  queryDerivationOutputMap: operation(41, path, list(record({ name, path: optionalStorePath }), "outputs")),
  registerDrvOutput: operation(42, record({ realisation }), silent),
  queryRealisation: operation(43, record({ id: realisedOutput }), foundRealisation),
  addMultipleToStore: {
    ...operation(44, record({ repair: flag, dontCheckSigs: flag }), silent),
    body: (): WorkerBody => "framed",
  },
  addBuildLog: { ...operation(45, record({ drvName: hostPath }), done), body: (): WorkerBody => "framed" },
  buildPathsWithResults: operation(46, record({ targets: derivedPaths, mode: buildMode }), keyedBuildResults),
  addPermRoot: operation(47, record({ path: storePath, root: hostPath }), hostPath),
};

export type WorkerOperationName = keyof typeof WORKER_OPERATIONS;
type Codecs = typeof WORKER_OPERATIONS;
export type WorkerRequest<Name extends WorkerOperationName> = WorkerValue<Codecs[Name]["request"]>;
export type WorkerReply<Name extends WorkerOperationName> = WorkerValue<Codecs[Name]["reply"]>;

const NAMES = new Map(Object.entries(WORKER_OPERATIONS).map(([operation, { number }]) => [number, operation]));

/** The operation with this number; undefined when there is none, or none any more. */
export function workerOperation(number: number): WorkerOperationName | undefined {
  return NAMES.get(number) as WorkerOperationName | undefined;
}

function operation<Request, Reply>(
  number: number,
  request: WorkerCodec<Request>,
  reply: WorkerCodec<Reply>,
): WorkerOperation<Request, Reply> {
  return { number, request, reply };
}
