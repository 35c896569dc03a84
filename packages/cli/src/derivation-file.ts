/*
A derivation that a command names: a store path of one, a .drv file of the host, or something the store knows the deriver of.
*/

import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { byteStringOf } from "@firn/base";
import { readBlob } from "@firn/castore";
import { type Derivation, DERIVATION_BYTES_MAX, isBelowStoreDir, parseDerivation } from "@firn/nix-compat";
import { CliError } from "./error.ts";
import { isErrno } from "./report.ts";
import type { Session } from "./session.ts";
import { findTarget } from "./store-target.ts";

/** Its path, in the store if it is there, and what it says. Throws `invalid-target` or `not-found`. */
export async function readDerivation(path: string, session: Session): Promise<[string, Derivation]> {
  const { storeDir, workingDirectory } = session.config;
  if (!path.endsWith(".drv")) {
    const { deriver } = (await findTarget(path, session)).info;
    if (deriver !== undefined) return readDerivation(deriver.absolute(storeDir), session);
    throw new CliError("invalid-target", `'${path}' is not a derivation, and what built it is not known`);
  }
  if (isBelowStoreDir(path, storeDir)) {
    const { node, path: storePath } = await findTarget(path, session);
    if (node.kind !== "file") throw new CliError("invalid-target", `'${path}' is a ${node.kind}, not a derivation`);
    const { blobs } = await session.openStore();
    const text = byteStringOf(await readBlob(blobs, node.digest, DERIVATION_BYTES_MAX, { signal: session.signal }));
    return [storePath.absolute(storeDir), parseDerivation(text, storePath.name.slice(0, -".drv".length), storeDir)];
  }
  const hostPath = resolve(workingDirectory, path);
  const bytes = await readFile(hostPath).catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT")) throw new CliError("not-found", `'${path}' does not exist`);
    throw thrown;
  });
  // A copy of a store's file has the hash part before its name.
  const name = basename(hostPath, ".drv").replace(/^[0-9a-z]{32}-/, "");
  return [hostPath, parseDerivation(byteStringOf(bytes), name, storeDir)];
}
