/*
What goes into the store and out of it with nix-store: `--add`, `--add-fixed`, `--dump`, `--restore`, `--export`, `--import`; and what
belongs to it, `--print-fixed-path` and the key of a binary cache.
*/

import { lstatSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { byteStringOfText, equalBytes } from "@firn/base";
import { createHasher, parseHash, printHash } from "@firn/hash";
import {
  exportEnd,
  exportHead,
  exportTrailer,
  generateSecretKey,
  isBelowStoreDir,
  makeFixedOutputPath,
  parseAbsoluteStorePath,
  readExport,
} from "@firn/nix-compat";
import { ingestNar, renderNar, sortedReferences } from "@firn/store";
import { CliError } from "../error.ts";
import { addHostPath } from "../host-path-add.ts";
import type { Session } from "../session.ts";
import { findTarget } from "../store-target.ts";
import { narOfHost, restoreToHost } from "./host-nar.ts";
import { algorithmOf } from "./nix-hash.ts";
import { checkFlags, type StoreArguments } from "./nix-store-arguments.ts";
import { setOf } from "./path-graph.ts";
import { openGraph, storePathOf } from "./store-operand.ts";
import { UsageError } from "./usage-error.ts";

export async function add({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  for (const operand of operands) await addOne(operand, "nar", "sha256", session);
}

export async function addFixed({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags, ["--recursive"]);
  const [algorithm, ...paths] = operands;
  if (algorithm === undefined) throw new UsageError("first argument must be hash algorithm");
  const known = algorithmOf(algorithm);
  for (const path of paths) await addOne(path, flags.includes("--recursive") ? "nar" : "flat", known, session);
}

async function addOne(
  operand: string,
  method: "nar" | "flat",
  algorithm: ReturnType<typeof algorithmOf>,
  session: Session,
): Promise<void> {
  const { path } = await addHostPath(operand, { name: basename(resolve(operand)), method, algorithm }, session);
  await session.output.line(path.absolute(session.config.storeDir));
}

export async function printFixedPath({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags, ["--recursive"]);
  if (operands.length !== 3) throw new UsageError("'--print-fixed-path' requires three arguments");
  const hash = parseHash(operands[1], algorithmOf(operands[0]));
  const method = flags.includes("--recursive") ? "nar" : "flat";
  const path = makeFixedOutputPath({ method, hash, name: operands[2] }, session.config.storeDir);
  await session.output.line(path.absolute(session.config.storeDir));
}

/** A path of this host; one of the store when the host has none there. */
export async function dump({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  if (operands.length !== 1) throw new UsageError("only one argument allowed");
  const { config, output, signal } = session;
  const hostPath = resolve(config.workingDirectory, operands[0]);
  const isOurs =
    isBelowStoreDir(hostPath, config.storeDir) && lstatSync(hostPath, { throwIfNoEntry: false }) === undefined;
  const nar = isOurs
    ? renderNar((await findTarget(hostPath, session)).node, await session.openStore(), { signal })
    : narOfHost(byteStringOfText(hostPath), signal);
  for await (const chunk of nar) await output.bytes(chunk);
}

export async function restore({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  if (operands.length !== 1) throw new UsageError("only one argument allowed");
  await restoreToHost(session.stdin(), byteStringOfText(resolve(session.config.workingDirectory, operands[0])));
}

export async function exportOperation({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  const { config, output, signal } = session;
  const store = await session.openStore();
  const graph = await openGraph(session);
  await using lease = await store.leases.openLease("nix-store --export");
  for (const path of await graph.sorted(setOf(operands.map((operand) => storePathOf(operand, session))))) {
    const info = await graph.info(path);
    const hasher = createHasher("sha256");
    await output.bytes(exportHead());
    for await (const chunk of renderNar(info.node, store, { lease, signal })) {
      hasher.update(chunk);
      await output.bytes(chunk);
    }
    const found = hasher.digest();
    if (!equalBytes(found, info.narSha256)) {
      const [was, is] = [info.narSha256, found].map((bytes) => printHash({ algorithm: "sha256", bytes }, "nix32"));
      throw new CliError(
        "invalid-target",
        `hash of path '${path.absolute(config.storeDir)}' has changed from '${was}' to '${is}'!`,
      );
    }
    const references = info.references.map((reference) => reference.absolute(config.storeDir));
    const deriver = info.deriver?.absolute(config.storeDir);
    const trailer = { path: path.absolute(config.storeDir), references, ...(deriver === undefined ? {} : { deriver }) };
    await output.bytes(exportTrailer(trailer));
  }
  await output.bytes(exportEnd());
}

export async function importOperation({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  if (operands.length > 0) throw new UsageError("no arguments expected");
  const { config, output, signal } = session;
  const store = await session.openStore();
  await using lease = await store.leases.openLease("nix-store --import");
  for await (const { nar, trailer } of readExport(session.stdin())) {
    const ingested = await ingestNar(nar, store, { lease, signal });
    const said = await trailer();
    const path = parseAbsoluteStorePath(said.path, config.storeDir);
    const references = sortedReferences(said.references.map((text) => parseAbsoluteStorePath(text, config.storeDir)));
    const deriver =
      said.deriver === undefined ? {} : { deriver: parseAbsoluteStorePath(said.deriver, config.storeDir) };
    // Like Nix, what is valid already stays as it is.
    if ((await store.pathInfos.get(path.hashPart, { lease, signal })) === undefined) {
      const registeredAt = Math.floor(Date.now() / 1000);
      await store.pathInfos.put([{ path, ...ingested, references, ...deriver, signatures: [], registeredAt }], {
        lease,
        signal,
      });
    }
    await output.line(path.absolute(config.storeDir));
  }
}

/** The pair of keys a binary cache is signed with. */
export async function generateKey({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  if (operands.length !== 3) throw new UsageError("three arguments expected");
  const [name, secretFile, publicFile] = operands;
  const key = await generateSecretKey(name);
  const at = (file: string) => resolve(session.config.workingDirectory, file);
  writeFileSync(at(publicFile), `${key.publicKey}`, { mode: 0o666, flush: true });
  writeFileSync(at(secretFile), key.reveal(), { mode: 0o600, flush: true });
}
