/*
The protocol of `nix-store --serve`, which ssh:// speaks: older and smaller than the worker protocol, the same values in it, no log frames. A command is a
number and a request, its answer a reply; what goes wrong is said on standard error before the connection ends.

Follows serve-protocol.cc of C++ Nix 2.35, from 2.7 on (C++ Nix 2.7). ImportPaths, which only Hydra still sends, is not here.
*/

import { parseHash, printHash } from "@firn/hash";
import { NixCompatError } from "./error.ts";
import { type WireReader, WireWriter } from "./wire.ts";
import {
  constant,
  flag,
  integer,
  integer64,
  invalidMessage,
  mapped,
  name,
  obsolete,
  optionalStorePath,
  record,
  storePath,
  type WorkerCodec,
  type WorkerSession,
  type WorkerValue,
} from "./worker-codec.ts";
import type { SendBytes } from "./worker-handshake.ts";
import {
  basicDerivation,
  buildResult,
  contentAddress,
  derivedPaths,
  FEATURE_REALISATION_WITH_PATH,
  pathInfo,
  signatures,
  storePaths,
  type WorkerPathInfo,
} from "./worker-values.ts";
import type { StorePath } from "./store-path.ts";

const CLIENT_MAGIC = 0x390c9deb;
const SERVER_MAGIC = 0x5452eecb;
const MAJOR = 2 << 8;
const VERSION = 8;
const VERSION_MIN = 7;
/** The version of the worker protocol in which values look as they do here. */
const WORKER_VERSION_ALIKE = 29;

const narSha256: WorkerCodec<Uint8Array> = mapped(
  name,
  (text) => parseHash(text, "sha256").bytes,
  (bytes) => printHash({ algorithm: "sha256", bytes }, "nix32"),
);
const servedInfo = record({
  deriver: optionalStorePath,
  references: storePaths,
  downloadBytes: integer,
  narSize: integer,
  narSha256,
  contentAddress,
  signatures,
});

/** What is known of those of the asked paths that are there; an empty text ends it. */
const pathInfos: WorkerCodec<readonly { readonly path: StorePath; readonly info: WorkerPathInfo }[]> = {
  read: async (from, session) => {
    const infos: { readonly path: StorePath; readonly info: WorkerPathInfo }[] = [];
    for (let path = await optionalStorePath.read(from, session); path !== undefined; ) {
      const { downloadBytes: _, ...info } = await servedInfo.read(from, session);
      infos.push({ path, info: { ...info, registeredAt: 0, ultimate: false } });
      path = await optionalStorePath.read(from, session);
    }
    return infos;
  },
  write: (to, infos, session) => {
    for (const { path, info } of infos) {
      storePath.write(to, path, session);
      servedInfo.write(to, { ...info, downloadBytes: info.narSize }, session);
    }
    to.text("");
  },
};

/** What builders are told. */
const buildOptions = record({
  maxSilentSeconds: integer64,
  timeoutSeconds: integer64,
  maxLogBytes: integer64,
  repeats: integer64,
  enforceDeterminism: integer64,
  keepFailed: flag,
});
export type ServeBuildOptions = WorkerValue<typeof buildOptions>;

/** 0, or a status and why. */
const outcome: WorkerCodec<string | undefined> = {
  read: async (from) => ((await from.integer()) === 0 ? undefined : from.text(1 << 24, "message")),
  write: (to, error) => {
    if (error === undefined) to.integer(0);
    else to.integer(1).text(error);
  },
};

const done: WorkerCodec<void> = obsolete(1);
const nothing: WorkerCodec<void> = constant<void>(undefined);

export const SERVE_COMMANDS = {
  queryValidPaths: command(1, record({ lock: flag, substitute: flag, paths: storePaths }), storePaths),
  queryPathInfos: command(2, record({ paths: storePaths }), pathInfos),
  /** A bare NAR follows. */
  dumpStorePath: command(3, record({ path: storePath }), nothing),
  buildPaths: command(6, record({ targets: derivedPaths, options: buildOptions }), outcome),
  queryClosure: command(7, record({ includeOutputs: flag, paths: storePaths }), storePaths),
  buildDerivation: command(
    8,
    record({ path: storePath, derivation: basicDerivation, options: buildOptions }),
    buildResult,
  ),
  /** A bare NAR of the size that is said comes with the request. */
  addToStoreNar: command(9, record({ path: storePath, info: pathInfo }), done),
};

export type ServeCommandName = keyof typeof SERVE_COMMANDS;
export type ServeRequest<Name extends ServeCommandName> = WorkerValue<(typeof SERVE_COMMANDS)[Name]["request"]>;
export type ServeReply<Name extends ServeCommandName> = WorkerValue<(typeof SERVE_COMMANDS)[Name]["reply"]>;

const NAMES = new Map(Object.entries(SERVE_COMMANDS).map(([command, { number }]) => [number, command]));

/** The command with this number; undefined when there is none. */
export function serveCommand(number: number): ServeCommandName | undefined {
  return NAMES.get(number) as ServeCommandName | undefined;
}

/** Agrees on a version as the server. Throws `invalid-message`, or `limit` for a version that is too old. */
export async function serveHandshake(from: WireReader, send: SendBytes, storeDir: string): Promise<WorkerSession> {
  if ((await from.integer()) !== CLIENT_MAGIC) throw invalidMessage("the first number is not that of ssh:// clients");
  await send(
    new WireWriter()
      .integer(SERVER_MAGIC)
      .integer(MAJOR | VERSION)
      .take(),
  );
  return sessionOf(await from.integer(), storeDir);
}

/** The same as the client. */
export async function openServeHandshake(
  from: WireReader,
  send: SendBytes,
  storeDir: string,
  version: number = VERSION,
): Promise<WorkerSession> {
  await send(
    new WireWriter()
      .integer(CLIENT_MAGIC)
      .integer(MAJOR | version)
      .take(),
  );
  if ((await from.integer()) !== SERVER_MAGIC)
    throw invalidMessage("the first number is not that of nix-store --serve");
  return sessionOf(Math.min(await from.integer(), MAJOR | version), storeDir);
}

function sessionOf(theirs: number, storeDir: string): WorkerSession {
  if (theirs >> 8 !== MAJOR >> 8) throw invalidMessage(`version ${theirs >> 8} is none of nix-store --serve`);
  const minor = Math.min(theirs & 0xff, VERSION);
  if (minor < VERSION_MIN)
    throw new NixCompatError(
      "limit",
      `the other end speaks version 2.${minor} of nix-store --serve, at least 2.${VERSION_MIN} is needed`,
    );
  const features = minor >= 8 ? [FEATURE_REALISATION_WITH_PATH] : [];
  return { version: WORKER_VERSION_ALIKE, features: new Set(features), storeDir };
}

function command<Request, Reply>(number: number, request: WorkerCodec<Request>, reply: WorkerCodec<Reply>) {
  return { number, request, reply };
}
