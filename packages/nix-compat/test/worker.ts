/* What tests of the worker protocol share: a reader over bytes that come in small pieces, sessions of several versions, a value for each operation. */

import { ByteSource } from "@firn/base";
import {
  invalidMessage,
  parseSignature,
  StorePath,
  WireReader,
  WORKER_FEATURES,
  type WorkerOperationName,
  type WorkerPathInfo,
  type WorkerReply,
  type WorkerRequest,
  type WorkerSession,
} from "@firn/nix-compat";

/** A reader of these bytes, which come `length` at a time in a buffer that is used again, as a producer may. */
export function readerOf(bytes: Uint8Array, length = 7): WireReader {
  async function* pieces() {
    const buffer = new Uint8Array(length);
    for (let at = 0; at < bytes.length; at += length) {
      const piece = bytes.subarray(at, at + length);
      buffer.set(piece);
      yield buffer.subarray(0, piece.length);
    }
  }
  return new WireReader(new ByteSource(pieces()), invalidMessage);
}

export function sessionOf(version: number, features: readonly string[] = []): WorkerSession {
  return { version, features: new Set(features), storeDir: "/nix/store" };
}

/** Sessions on both sides of every version at which something changed. */
export const SESSIONS: readonly WorkerSession[] = [
  ...[18, 21, 22, 23, 25, 26, 28, 29, 30, 31, 34, 37, 38].map((version) => sessionOf(version)),
  sessionOf(38, WORKER_FEATURES),
  sessionOf(39, WORKER_FEATURES),
];

export const A = new StorePath("0".repeat(32), "a");
export const B = new StorePath("1".repeat(32), "b-1.0");
export const DRV = new StorePath("2".repeat(32), "a.drv");
export const SIGNATURE = parseSignature(`key-1:${Buffer.alloc(64, 7).toString("base64")}`);

export const INFO: WorkerPathInfo = {
  deriver: DRV,
  narSha256: new Uint8Array(32).fill(3),
  references: [A, B],
  registeredAt: 1_700_000_000,
  narSize: 4096,
  ultimate: true,
  signatures: [SIGNATURE],
  contentAddress: { method: "nar", hash: { algorithm: "sha256", bytes: new Uint8Array(32).fill(9) } },
};

const derivation = {
  outputs: new Map([["out", { kind: "input-addressed" as const, path: A.absolute(), hashAlgorithm: "", hash: "" }]]),
  inputSrcs: [B.absolute()],
  system: "x86_64-linux",
  builder: "/bin/sh",
  args: ["-c", "echo \xff"],
  env: new Map([["out", A.absolute()]]),
};

type Sample<Name extends WorkerOperationName> = readonly [
  request: (session: WorkerSession) => WorkerRequest<Name>,
  reply: (session: WorkerSession) => WorkerReply<Name>,
];

const byPath = ({ features }: WorkerSession) => features.size > 0;
const done = () => undefined;
const path = () => ({ path: A });
const paths = () => [A, B];
const idOf = (session: WorkerSession) => ({ drv: byPath(session) ? DRV : `sha256:${"ab".repeat(32)}`, output: "dev" });
const buildResult = (session: WorkerSession) => {
  const { version } = session;
  return {
    status: "built" as const,
    error: "",
    timesBuilt: version >= 29 ? 1 : 0,
    isNonDeterministic: false,
    startedAt: version >= 29 ? 10 : 0,
    stoppedAt: version >= 29 ? 20 : 0,
    cpuUserUs: version >= 37 ? 1234 : undefined,
    cpuSystemUs: undefined,
    outputs: version >= 28 ? [{ name: "out", path: A, signatures: [SIGNATURE] }] : [],
  };
};
const target = { path: DRV, outputs: ["out", "dev"] };
const targets = ({ version }: WorkerSession) => ({
  targets: [{ path: DRV, outputs: "all" as const }, target, ...(version >= 30 ? [{ path: DRV }] : []), { path: B }],
  mode: "normal" as const,
});
const found = { deriver: DRV, references: [A], downloadBytes: 5, narSize: 7 };

/** A request and a reply of each operation, as much of them as the session can say. */
export const SAMPLES: { readonly [Name in WorkerOperationName]: Sample<Name> } = {
  isValidPath: [path, () => true],
  queryReferrers: [path, paths],
  addToStore: [
    ({ version }) => ({
      name: "x",
      method: "flat",
      algorithm: "sha1",
      references: version >= 25 ? [A] : [],
      repair: version >= 25,
    }),
    ({ version }) => (version >= 25 ? { path: A, info: INFO } : { path: A }),
  ],
  addTextToStore: [() => ({ name: "x", text: "\x00\xff", references: [A] }), () => A],
  buildPaths: [targets, done],
  ensurePath: [path, done],
  addTempRoot: [path, done],
  addIndirectRoot: [() => ({ link: "/srv/result" }), done],
  syncWithGc: [() => ({}), done],
  findRoots: [() => ({}), () => [{ link: "/srv/result", path: A }]],
  queryDeriver: [path, () => DRV],
  setOptions: [
    () => ({
      keepFailed: false,
      keepGoing: true,
      tryFallback: false,
      verbosity: 3,
      maxBuildJobs: 4n,
      maxSilentSeconds: 2n ** 64n - 1n,
      useBuildHook: undefined,
      buildVerbosity: 0,
      logType: undefined,
      printBuildTrace: undefined,
      buildCores: 0n,
      useSubstitutes: true,
      overrides: [{ name: "timeout", value: "7" }],
    }),
    done,
  ],
  collectGarbage: [
    (session) => ({
      action: "delete-specific",
      collected: { paths: [A], referrers: byPath(session), whole: false },
      ignoreLiveness: false,
      maxFreedBytes: 2n ** 64n - 1n,
      obsolete1: undefined,
      obsolete2: undefined,
      obsolete3: undefined,
    }),
    () => ({ paths: [A.absolute()], freedBytes: 17, obsolete: undefined }),
  ],
  querySubstitutablePathInfo: [path, () => found],
  queryDerivationOutputs: [path, paths],
  queryAllValidPaths: [() => ({}), paths],
  queryPathInfo: [path, () => INFO],
  queryDerivationOutputNames: [path, () => ["dev", "out"]],
  queryPathFromHashPart: [() => ({ hashPart: A.hashPart }), () => A],
  querySubstitutablePathInfos: [
    ({ version }) => [{ path: A, contentAddress: version >= 22 ? INFO.contentAddress : undefined }],
    () => [{ path: A, info: found }],
  ],
  queryValidPaths: [({ version }) => ({ paths: [A], substitute: version >= 27 }), paths],
  querySubstitutablePaths: [() => ({ paths: [A] }), paths],
  queryValidDerivers: [path, () => [DRV]],
  optimiseStore: [() => ({}), done],
  verifyStore: [() => ({ checkContents: true, repair: false }), () => false],
  buildDerivation: [() => ({ path: DRV, derivation, mode: "check" }), buildResult],
  addSignatures: [() => ({ path: A, signatures: [SIGNATURE] }), done],
  narFromPath: [path, done],
  addToStoreNar: [() => ({ path: A, info: INFO, repair: false, dontCheckSigs: true }), done],
  queryMissing: [
    (session) => ({ targets: targets(session).targets }),
    () => ({ willBuild: [DRV], willSubstitute: [A], unknown: [B], downloadBytes: 1, narSize: 2 }),
  ],
  queryDerivationOutputMap: [
    path,
    () => [
      { name: "dev", path: undefined },
      { name: "out", path: A },
    ],
  ],
  registerDrvOutput: [
    (session) => ({
      realisation: { id: idOf(session), path: A, signatures: session.version >= 31 ? [SIGNATURE] : [] },
    }),
    done,
  ],
  queryRealisation: [
    (session) => ({ id: idOf(session) }),
    ({ version }) => ({ path: A, signatures: version >= 31 ? [SIGNATURE] : [] }),
  ],
  addMultipleToStore: [() => ({ repair: false, dontCheckSigs: false }), done],
  addBuildLog: [() => ({ drvName: `${DRV}` }), done],
  buildPathsWithResults: [targets, (session) => [{ target, result: buildResult(session) }]],
  addPermRoot: [() => ({ path: A, root: "/x" }), () => "/x"],
};
