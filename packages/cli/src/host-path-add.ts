/*
Something of the host as a content-addressed store path, the one `nix-store --add` or `--add-fixed` computes: a file or directory, the tree of a
tar archive, the tree of a NAR.
*/

import { createReadStream } from "node:fs";
import { lstat } from "node:fs/promises";
import { resolve } from "node:path";
import type { ByteStream } from "@firn/base";
import type { CallOptions, Node } from "@firn/castore";
import { createHasher, type HashAlgorithm } from "@firn/hash";
import { makeFixedOutputPath } from "@firn/nix-compat";
import { ingestNar, type PathInfo, renderNar } from "@firn/store";
import type { LocalStore } from "@firn/backend-local";
import { CliError } from "./error.ts";
import { isErrno } from "./report.ts";
import type { Session } from "./session.ts";

/** What is at a host path, or standard input for `-`. */
export type AddedForm = "tree" | "tar" | "nar";

export type HostPathAddOptions = {
  readonly name: string;
  /** `nar`: any tree; `flat`: the contents of a file, which then is not executable. */
  readonly method: "nar" | "flat";
  readonly algorithm: HashAlgorithm;
  /** `tree` when not said. */
  readonly form?: AddedForm;
  /** Whether files that look as they did when they were added last are taken as unchanged; true when not said. */
  readonly statCache?: boolean;
};

/** Copies it into the store and registers it. Throws `not-found`, `invalid-target` or what the import does. */
export async function addHostPath(given: string, options: HostPathAddOptions, session: Session): Promise<PathInfo> {
  const store = await session.openStore();
  await using lease = await store.leases.openLease(`add ${given}`);
  const call = { lease, signal: session.signal };
  const node = await takeIn(given, options, store, call, session);
  return await register(node, options, store, call, session);
}

async function takeIn(
  given: string,
  { form, method, statCache }: HostPathAddOptions,
  store: LocalStore,
  call: CallOptions,
  session: Session,
): Promise<Node> {
  if (form === "nar") return (await ingestNar(streamAt(given, session), store, call)).node;
  if (form === "tar") {
    const { unpackTar } = await import("@firn/glue");
    const { NodeFetcher } = await import("./node-fetcher.ts");
    return await unpackTar(new NodeFetcher().decompress(streamAt(given, session)), store, { ...call, strip: false });
  }
  const hostPath = resolve(session.config.workingDirectory, given);
  const stats = await lstat(hostPath).catch((thrown: unknown) => {
    throw isErrno(thrown, "ENOENT") ? new CliError("not-found", `'${given}' does not exist`) : thrown;
  });
  if (method === "flat" && !stats.isFile())
    throw new CliError("invalid-target", `'${given}' is no regular file, and only those have a flat hash`);
  if (method === "nar") return (await store.addTree(hostPath, { ...call, statCache })).node;
  const node = await store.importer.importTree(hostPath, call);
  return node.kind === "file" ? { ...node, executable: false } : node;
}

async function* streamAt(given: string, session: Session): ByteStream {
  if (given === "-") {
    yield* session.stdin();
    return;
  }
  const file = createReadStream(resolve(session.config.workingDirectory, given), { highWaterMark: 256 * 1024 });
  try {
    yield* file;
  } catch (thrown) {
    throw isErrno(thrown, "ENOENT") ? new CliError("not-found", `'${given}' does not exist`) : thrown;
  } finally {
    file.destroy();
  }
}

async function register(
  node: Node,
  { name, method, algorithm }: HostPathAddOptions,
  store: LocalStore,
  call: CallOptions,
  { config }: Session,
): Promise<PathInfo> {
  const { narSha256, narSize } = await store.nars.calculateNar(node, call);
  const isNarHash = method === "nar" && algorithm === "sha256";
  const hash = { algorithm, bytes: isNarHash ? narSha256 : await hashOf(node, method, algorithm, store, call) };
  const info: PathInfo = {
    path: makeFixedOutputPath({ method, hash, name }, config.storeDir),
    node,
    narSha256,
    narSize,
    references: [],
    contentAddress: { method, hash },
    signatures: [],
    registeredAt: Math.floor(Date.now() / 1000),
  };
  await store.pathInfos.put([info], call);
  return info;
}

async function hashOf(
  node: Node,
  method: "nar" | "flat",
  algorithm: HashAlgorithm,
  store: LocalStore,
  call: CallOptions,
): Promise<Uint8Array> {
  const hasher = createHasher(algorithm);
  if (method === "nar") for await (const chunk of renderNar(node, store, call)) hasher.update(chunk);
  else if (node.kind === "file") {
    await using reader = await store.blobs.openRead(node.digest, call);
    if (reader === undefined) throw new CliError("not-found", `blob ${node.digest} is missing in the store`);
    for await (const chunk of reader.stream()) hasher.update(chunk);
  }
  return hasher.digest();
}
