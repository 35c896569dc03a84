/*
How a connection of the worker protocol begins: magic numbers, versions, from 1.38 on words for features, leftovers of older times, and what the server
says of itself. Either end does it with a reader and a function that sends. Follows BasicClientConnection and BasicServerConnection.
*/

import type { ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { type WireReader, WireWriter } from "./wire.ts";
import { invalidMessage, list, name, type WorkerSession, text, integer } from "./worker-codec.ts";
import { FEATURE_DELETE_REFERRERS } from "./worker-operations.ts";
import { FEATURE_REALISATION_WITH_PATH } from "./worker-values.ts";

const CLIENT_MAGIC = 0x6e697863;
const SERVER_MAGIC = 0x6478696f;
const MAJOR = 1 << 8;
/** What is spoken here; 1.39 differs in nothing but its number. */
export const WORKER_VERSION = 39;
/** The oldest that is spoken, as in C++ Nix 2.35. */
export const WORKER_VERSION_MIN = 18;
export const WORKER_FEATURES: readonly string[] = [FEATURE_DELETE_REFERRERS, FEATURE_REALISATION_WITH_PATH];

const features = list(name, "features", 256);
const programVersion = text(1024, "version");
const TRUST = [undefined, true, false] as const;

/** What a server says of itself once the versions are known. */
export type WorkerGreeting = {
  /** Of the program, from 1.33 on. */
  readonly programVersion?: ByteString;
  /** Whether it trusts the client, from 1.35 on and where it knows. */
  readonly trusted?: boolean;
};

export type SendBytes = (bytes: Uint8Array) => Promise<void>;

/** Agrees on version and features as the server and greets. Throws `invalid-message`, or `limit` for a version that is too old. */
export async function serveWorkerHandshake(
  from: WireReader,
  send: SendBytes,
  storeDir: string,
  greeting: Required<WorkerGreeting>,
): Promise<WorkerSession> {
  if ((await from.integer()) !== CLIENT_MAGIC) throw invalidMessage("the first number is not a client's");
  const to = new WireWriter();
  await send(
    to
      .integer(SERVER_MAGIC)
      .integer(MAJOR | WORKER_VERSION)
      .take(),
  );
  const session = await agree(minorOf(await from.integer()), storeDir, async (before) => {
    const theirs = await features.read(from, before);
    features.write(to, WORKER_FEATURES, before);
    await send(to.take());
    return theirs;
  });
  // An affinity to processors, and whether to reserve space: neither is heeded.
  if (await from.flag()) await from.integer64();
  await from.integer64();
  if (session.version >= 33) to.text(greeting.programVersion);
  if (session.version >= 35) to.integer(TRUST.indexOf(greeting.trusted));
  await send(to.take());
  return session;
}

/** The same as the client. */
export async function openWorkerHandshake(
  from: WireReader,
  send: SendBytes,
  storeDir: string,
  version: number = WORKER_VERSION,
): Promise<{ readonly session: WorkerSession; readonly greeting: WorkerGreeting }> {
  const to = new WireWriter();
  await send(
    to
      .integer(CLIENT_MAGIC)
      .integer(MAJOR | version)
      .take(),
  );
  if ((await from.integer()) !== SERVER_MAGIC) throw invalidMessage("the first number is not a server's");
  const session = await agree(Math.min(minorOf(await from.integer()), version), storeDir, async (before) => {
    features.write(to, WORKER_FEATURES, before);
    await send(to.take());
    return features.read(from, before);
  });
  await send(to.integer(0).integer(0).take());
  const said = session.version >= 33 ? await programVersion.read(from, session) : undefined;
  const trust = session.version >= 35 ? await integer.read(from, session) : 0;
  if (trust >= TRUST.length) throw invalidMessage(`${trust} is no kind of trust`);
  return { session, greeting: { programVersion: said, trusted: TRUST[trust] } };
}

async function agree(
  theirs: number,
  storeDir: string,
  exchange: (before: WorkerSession) => Promise<readonly string[]>,
): Promise<WorkerSession> {
  const version = Math.min(theirs, WORKER_VERSION);
  if (version < WORKER_VERSION_MIN)
    throw new NixCompatError(
      "limit",
      `the other end speaks version 1.${version} of Nix's worker protocol, at least 1.${WORKER_VERSION_MIN} is needed`,
    );
  const before: WorkerSession = { version, features: new Set(), storeDir };
  if (version < 38) return before;
  const offered = await exchange(before);
  return { ...before, features: new Set(WORKER_FEATURES.filter((feature) => offered.includes(feature))) };
}

function minorOf(version: number): number {
  if ((version & 0xff00) !== MAJOR || version > 0xffff)
    throw invalidMessage(`version ${version >> 8}.${version & 0xff} is none of protocol 1`);
  return version & 0xff;
}
