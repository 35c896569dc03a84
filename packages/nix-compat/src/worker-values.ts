/*
The larger values of the worker protocol: what a store says of a path, what is asked to be built and what came of it, derivations without their
inputs' derivations, realisations. Follows the serialisers of worker-protocol.cc and common-protocol.cc of C++ Nix 2.35, and those of 2.8 for the forms that
2.35 no longer has.
*/

import type { ByteString } from "@firn/base";
import { parseHash, printHash, toHex } from "@firn/hash";
import { type ContentAddress, parseContentAddress, printContentAddress } from "./content-address.ts";
import {
  checkOutputName,
  type Derivation,
  type DerivationOutput,
  sortedMap,
  sortedSet,
  writtenOutput,
} from "./derivation.ts";
import { NixCompatError } from "./error.ts";
import { HASHED_REALISATION_BYTES_MAX, parseHashedRealisation, printHashedRealisation } from "./hashed-realisation.ts";
import { parseSignature, printSignature, type Signature } from "./signature.ts";
import { parseAbsoluteStorePath, parseStorePath, type StorePath } from "./store-path.ts";
import { WIRE_PATH_BYTES_MAX } from "./wire.ts";
import {
  choose,
  constant,
  flag,
  integer,
  invalidMessage,
  list,
  mapped,
  name,
  optional,
  optionalStorePath,
  record,
  since,
  storePath,
  text,
  unlessEmpty,
  word,
  type WorkerCodec,
  type WorkerValue,
} from "./worker-codec.ts";

/** Realisations are named by the derivation's path and not by its hash modulo. */
export const FEATURE_REALISATION_WITH_PATH = "realisation-with-path-not-hash";

/** Longest text of a file, or value of a derivation's environment, in bytes. */
export const WORKER_TEXT_BYTES_MAX = 64 * 1024 * 1024;
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const OUTPUTS_MAX = 1 << 16;
const SIGNATURES_MAX = 1 << 12;

export const storePaths = list(storePath, "store paths");

/** Whether both ends name realisations by derivation path. */
function namesByPath({ features }: { readonly features: ReadonlySet<string> }): boolean {
  return features.has(FEATURE_REALISATION_WITH_PATH);
}

export const contentAddress: WorkerCodec<ContentAddress | undefined> = unlessEmpty<ContentAddress>(
  WIRE_PATH_BYTES_MAX,
  "content address",
  parseContentAddress,
  printContentAddress,
);

const signature: WorkerCodec<Signature> = mapped(
  text(WIRE_PATH_BYTES_MAX, "signature"),
  parseSignature,
  printSignature,
);
export const signatures = list(signature, "signatures", SIGNATURES_MAX);

const narSha256: WorkerCodec<Uint8Array> = mapped(
  text(WIRE_PATH_BYTES_MAX, "hash"),
  (written) => parseHash(written, "sha256").bytes,
  toHex,
);

/** What is known of a path, without the path. */
export const pathInfo = record({
  deriver: optionalStorePath,
  narSha256,
  references: storePaths,
  /** Seconds since 1970, 0 when not known. */
  registeredAt: integer,
  /** 0 when not known. */
  narSize: integer,
  /** Built here, and so trusted without a signature. */
  ultimate: flag,
  signatures,
  contentAddress,
});
export type WorkerPathInfo = WorkerValue<typeof pathInfo>;

/** A path and what is known of it. */
export const keyedPathInfo = record({ path: storePath, info: pathInfo });

/** What is asked to be there: a path, or outputs of a derivation. */
export type DerivedPath = { readonly path: StorePath; readonly outputs?: readonly string[] | "all" };

/** `/nix/store/x.drv!out,dev`, `!*` for all; without `!` the path itself, which before 1.30 meant all outputs of a .drv. */
export const derivedPath: WorkerCodec<DerivedPath> = {
  read: async (from, { storeDir, version }) => {
    const written = await from.text(WIRE_PATH_BYTES_MAX * 4, "derived path");
    const [path, names, ...further] = written.split("!");
    if (further.length > 0)
      throw new NixCompatError(
        "unsupported-derivation",
        `'${written.slice(0, 300)}' is an output of a derivation that is an output itself, which cannot be asked for here`,
      );
    const parsed = parseAbsoluteStorePath(path, storeDir);
    if (names === undefined)
      return version < 30 && parsed.isDerivation ? { path: parsed, outputs: "all" } : { path: parsed };
    return { path: parsed, outputs: names === "*" || names === "" ? "all" : names.split(",") };
  },
  write: (to, { path, outputs }, { storeDir, version }) => {
    const names = outputs === undefined ? "" : outputs === "all" ? "!*" : `!${outputs.join(",")}`;
    if (version >= 30 || names !== "!*") to.text(path.absolute(storeDir) + names);
    else to.text(path.absolute(storeDir));
  },
};
export const derivedPaths = list(derivedPath, "targets");

export const buildMode = word(["normal", "repair", "check"], "mode of building");
export type WorkerBuildMode = WorkerValue<typeof buildMode>;

const BUILD_STATUSES = [
  "built",
  "substituted",
  "already-valid",
  "permanent-failure",
  "input-rejected",
  "output-rejected",
  "transient-failure",
  "cached-failure",
  "timed-out",
  "misc-failure",
  "dependency-failed",
  "log-limit-exceeded",
  "not-deterministic",
  "resolves-to-already-valid",
  "no-substituters",
] as const;
export type WorkerBuildStatus = (typeof BUILD_STATUSES)[number];

/** Whether what was asked for is there after a build that ended so. */
export function isSuccess(status: WorkerBuildStatus): boolean {
  return ["built", "substituted", "already-valid", "resolves-to-already-valid"].includes(status);
}

/** What an output came out as. */
export type BuiltOutput = {
  readonly name: string;
  readonly path: StorePath;
  readonly signatures: readonly Signature[];
};

/** Older ends name outputs by a hash that newer ones do not know; both look only at the output's name. */
const NO_HASH = `sha256:${"0".repeat(64)}`;

const realisationJson = text(HASHED_REALISATION_BYTES_MAX, "realisation");

const builtOutputsByPath: WorkerCodec<readonly BuiltOutput[]> = list(
  record({ name, path: storePath, signatures }),
  "outputs",
  OUTPUTS_MAX,
);
const builtOutputsByHash: WorkerCodec<readonly BuiltOutput[]> = list(
  mapped(
    record({ id: text(WIRE_PATH_BYTES_MAX, "name of an output"), json: realisationJson }),
    ({ id, json }): BuiltOutput => {
      const { path, signatures } = parseHashedRealisation(json);
      return { name: splitOutputId(id).output, path, signatures };
    },
    ({ name: output, path, signatures }) => {
      const id = `${NO_HASH}!${output}`;
      return { id, json: printHashedRealisation({ name: id, path, signatures }) };
    },
  ),
  "outputs",
  OUTPUTS_MAX,
);

const duration: WorkerCodec<number | undefined> = optional(integer);

/** How a build ended. Times are seconds since 1970, durations microseconds. */
export const buildResult = record({
  status: word(BUILD_STATUSES, "status of a build"),
  error: text(MESSAGE_BYTES_MAX, "message"),
  timesBuilt: since(29, integer, 0),
  isNonDeterministic: since(29, flag, false),
  startedAt: since(29, integer, 0),
  stoppedAt: since(29, integer, 0),
  cpuUserUs: since(37, duration, undefined),
  cpuSystemUs: since(37, duration, undefined),
  outputs: choose(namesByPath, builtOutputsByPath, since(28, builtOutputsByHash, [])),
});
export type WorkerBuildResult = WorkerValue<typeof buildResult>;

export const keyedBuildResults = list(record({ target: derivedPath, result: buildResult }), "results");

/** A derivation without input derivations: these are resolved, or do not matter any more. Its name is the .drv's. */
export type BasicDerivation = Omit<Derivation, "name" | "inputDrvs" | "dynamicInputs">;

const drvText = text(WORKER_TEXT_BYTES_MAX, "text of a derivation");
const written = record({
  outputs: list(record({ name, path: drvText, hashAlgorithm: drvText, hash: drvText }), "outputs", OUTPUTS_MAX),
  inputSrcs: list(text(WIRE_PATH_BYTES_MAX, "store path"), "sources"),
  system: drvText,
  builder: drvText,
  args: list(drvText, "arguments"),
  env: list(record({ name: drvText, value: drvText }), "variables"),
});

export const basicDerivation: WorkerCodec<BasicDerivation> = mapped(
  written,
  ({ outputs, inputSrcs, system, builder, args, env }): BasicDerivation => ({
    outputs: sortedMap(outputs.map(readOutput)),
    inputSrcs: sortedSet(inputSrcs),
    system,
    builder,
    args,
    env: sortedMap(env.map((variable) => [variable.name, variable.value] as const)),
  }),
  ({ outputs, inputSrcs, system, builder, args, env }) => ({
    outputs: Array.from(outputs, ([output, { path, hashAlgorithm, hash }]) => ({
      name: output,
      path,
      hashAlgorithm,
      hash,
    })),
    inputSrcs,
    system,
    builder,
    args,
    env: Array.from(env, ([variable, value]) => ({ name: variable, value })),
  }),
);

function readOutput(output: {
  name: string;
  path: ByteString;
  hashAlgorithm: ByteString;
  hash: ByteString;
}): readonly [string, DerivationOutput] {
  checkOutputName(output.name);
  return [output.name, writtenOutput(output.path, output.hashAlgorithm, output.hash)];
}

/** What is realised: an output of a derivation, which older ends name by the derivation's hash modulo, `sha256:<base 16>`. */
export type RealisedOutput = { readonly drv: StorePath | string; readonly output: string };
export type WorkerRealisation = {
  readonly id: RealisedOutput;
  readonly path: StorePath;
  readonly signatures: readonly Signature[];
};

const idByPath: WorkerCodec<RealisedOutput> = mapped(
  record({ drv: storePath, output: name }),
  (id): RealisedOutput => id,
  ({ drv, output }) => {
    if (typeof drv === "string") throw unknownName(output);
    return { drv, output };
  },
);
const idByHash: WorkerCodec<RealisedOutput> = mapped(
  text(WIRE_PATH_BYTES_MAX, "name of an output"),
  splitOutputId,
  printOutputId,
);
export const realisedOutput: WorkerCodec<RealisedOutput> = choose(namesByPath, idByPath, idByHash);

const realisationByHash: WorkerCodec<WorkerRealisation> = mapped(
  realisationJson,
  (json) => {
    const { name: id, path, signatures } = parseHashedRealisation(json);
    return { id: splitOutputId(id), path, signatures };
  },
  ({ id, path, signatures }: WorkerRealisation) =>
    printHashedRealisation({ name: printOutputId(id), path, signatures }),
);
const baseName: WorkerCodec<StorePath> = mapped(text(WIRE_PATH_BYTES_MAX, "store path"), parseStorePath, String);
const noSignatures = constant<readonly Signature[]>([]);

/** To be kept: by path; as JSON since 1.31; before that a name and a base name. */
export const realisation: WorkerCodec<WorkerRealisation> = choose(
  namesByPath,
  record({ id: idByPath, path: storePath, signatures }),
  choose(
    ({ version }) => version >= 31,
    realisationByHash,
    record({ id: idByHash, path: baseName, signatures: noSignatures }),
  ),
);

/** The answer to what an output came out as. */
export type FoundRealisation = Pick<WorkerRealisation, "path" | "signatures">;

const noId: RealisedOutput = { drv: NO_HASH, output: "out" };
export const foundRealisation: WorkerCodec<FoundRealisation | undefined> = choose(
  namesByPath,
  optional(record({ path: storePath, signatures })),
  choose(
    ({ version }) => version >= 31,
    atMostOne(
      mapped(
        realisationByHash,
        ({ path, signatures }) => ({ path, signatures }),
        (found: FoundRealisation) => ({ id: noId, ...found }),
      ),
    ),
    atMostOne(
      mapped(
        storePath,
        (path): FoundRealisation => ({ path, signatures: [] }),
        ({ path }) => path,
      ),
    ),
  ),
);

/** A list that has one item or none. */
function atMostOne<T>(codec: WorkerCodec<T>): WorkerCodec<T | undefined> {
  return mapped(
    list(codec, "realisations", SIGNATURES_MAX),
    ([first]): T | undefined => first,
    (value) => (value === undefined ? [] : [value]),
  );
}

function splitOutputId(id: ByteString): RealisedOutput {
  const at = id.indexOf("!");
  if (at < 0) throw invalidMessage(`'${id.slice(0, 200)}' names no output of a derivation`);
  return { drv: printHash(parseHash(id.slice(0, at)), "base16"), output: id.slice(at + 1) };
}

function printOutputId({ drv, output }: RealisedOutput): ByteString {
  if (typeof drv !== "string") throw unknownName(output);
  return `${drv}!${output}`;
}

function unknownName(output: string): NixCompatError {
  return new NixCompatError(
    "unsupported-derivation",
    `the ends of this connection name derivations differently, so the realisation of '${output}' cannot be spoken of`,
  );
}
