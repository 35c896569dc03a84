/*
Something of the host as a content-addressed store path, the one `nix-store --add` or `--add-fixed` computes.
*/

import { lstat } from "node:fs/promises";
import { resolve } from "node:path";
import { createHasher, type HashAlgorithm } from "@firn/hash";
import { makeFixedOutputPath } from "@firn/nix-compat";
import { calculateNar, type PathInfo, renderNar } from "@firn/store";
import type { Node } from "@firn/castore";
import type { LocalStore } from "@firn/backend-local";
import { CliError } from "./error.ts";
import { isErrno } from "./report.ts";
import type { Session } from "./session.ts";

export type HostPathAddOptions = {
  readonly name: string;
  /** `nar`: any tree; `flat`: the contents of a file, which then is not executable. */
  readonly method: "nar" | "flat";
  readonly algorithm: HashAlgorithm;
};

/** Copies a file or directory of the host into the store and registers it. Throws `not-found`, `invalid-target` or what the import does. */
export async function addHostPath(
  given: string,
  { name, method, algorithm }: HostPathAddOptions,
  session: Session,
): Promise<PathInfo> {
  const { config, signal } = session;
  const hostPath = resolve(config.workingDirectory, given);
  const stats = await lstat(hostPath).catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT")) throw new CliError("not-found", `'${given}' does not exist`);
    throw thrown;
  });
  if (method === "flat" && !stats.isFile())
    throw new CliError("invalid-target", `'${given}' is no regular file, and only those have a flat hash`);
  const store = await session.openStore();
  await using lease = await store.leases.openLease(`add ${given}`);
  const options = { lease, signal };
  const imported = await store.importer.importTree(hostPath, options);
  const node: Node = method === "flat" && imported.kind === "file" ? { ...imported, executable: false } : imported;
  const { narSha256, narSize } = await calculateNar(node, store, options);
  const isNarHash = method === "nar" && algorithm === "sha256";
  const bytes = isNarHash ? narSha256 : await hashOf(node, method, algorithm, store, options);
  const hash = { algorithm, bytes };
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
  await store.pathInfos.put([info], options);
  return info;
}

async function hashOf(
  node: Node,
  method: "nar" | "flat",
  algorithm: HashAlgorithm,
  store: LocalStore,
  options: { readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const hasher = createHasher(algorithm);
  if (method === "nar") for await (const chunk of renderNar(node, store, options)) hasher.update(chunk);
  else if (node.kind === "file") {
    await using reader = await store.blobs.openRead(node.digest, options);
    if (reader !== undefined) for await (const chunk of reader.stream()) hasher.update(chunk);
  }
  return hasher.digest();
}
