/*
What the store knows of its paths, written out and read in (`--dump-db`, `--load-db`, `--register-validity`), and asked after
(`--check-validity`, `--verify-path`).

The text has for each path: itself, the NAR hash in base 16, the NAR size, the deriver or an empty line, the number of references, the
references. A path that is registered from it and not in the store is taken from the host, where Nix's own store would have it.
*/

import { lstatSync } from "node:fs";
import { byteStringOf, equalBytes, textOf } from "@firn/base";
import { parseHash, printHash } from "@firn/hash";
import { parseAbsoluteStorePath } from "@firn/nix-compat";
import { calculateNar, type PathInfo, sortedReferences } from "@firn/store";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
import { checkFlags, type StoreArguments } from "./nix-store-arguments.ts";
import { inOrder, setOf } from "./path-graph.ts";
import { openGraph, storePathOf } from "./store-operand.ts";
import { UsageError } from "./usage-error.ts";

/** Most references of one path that are read. */
const REFERENCES_MAX = 1 << 16;

export async function dumpDatabase({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  const { config, signal } = session;
  const store = await session.openStore();
  const graph = await openGraph(session);
  let paths = operands.map((operand) => storePathOf(operand, session));
  if (operands.length === 0) {
    for await (const { path } of store.pathInfos.list({ signal })) paths.push(path);
    paths = inOrder(setOf(paths));
  }
  for (const path of paths) {
    const { narSha256, narSize, deriver, references } = await graph.info(path);
    const lines = [
      path.absolute(config.storeDir),
      printHash({ algorithm: "sha256", bytes: narSha256 }, "base16", false),
      `${narSize}`,
      deriver?.absolute(config.storeDir) ?? "",
      `${references.length}`,
      ...references.map((reference) => reference.absolute(config.storeDir)),
    ];
    await session.output.byteString(lines.map((line) => `${line}\n`).join(""));
  }
}

export async function loadDatabase({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags);
  if (operands.length > 0) throw new UsageError("no arguments expected");
  await register(session, { hashGiven: true });
}

export async function registerValidity({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags, ["--reregister", "--hash-given"]);
  if (operands.length > 0) throw new UsageError("no arguments expected");
  await register(session, { hashGiven: flags.includes("--hash-given") });
}

type Registration = Pick<PathInfo, "path" | "deriver" | "references"> & {
  readonly narSha256?: Uint8Array;
  readonly narSize?: number;
};

async function register(session: Session, { hashGiven }: { readonly hashGiven: boolean }): Promise<void> {
  const { config, signal } = session;
  const store = await session.openStore();
  await using lease = await store.leases.openLease("nix-store --load-db");
  const options = { lease, signal };
  const infos: PathInfo[] = [];
  for (const given of readRegistrations(byteStringOf(await session.readStdin()), config.storeDir, hashGiven)) {
    const known = await store.pathInfos.get(given.path.hashPart, options);
    const node =
      known?.node ?? (await store.importer.importTree(hostPathOf(given.path.absolute(config.storeDir)), options));
    const { narSha256, narSize } = known ?? (await calculateNar(node, store, options));
    const isOther =
      (given.narSize !== undefined && given.narSize !== narSize) ||
      (given.narSha256 !== undefined && !equalBytes(given.narSha256, narSha256));
    if (isOther) {
      const found = printHash({ algorithm: "sha256", bytes: narSha256 }, "base16", false);
      const message = `path '${given.path.absolute(config.storeDir)}' has the NAR hash ${found} and ${narSize} bytes, not what is to be registered`;
      throw new CliError("invalid-target", message);
    }
    if (known !== undefined) continue;
    const registeredAt = Math.floor(Date.now() / 1000);
    infos.push({ ...given, node, narSha256, narSize, signatures: [], registeredAt });
  }
  await store.pathInfos.put(infos, options);
}

function hostPathOf(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return path;
  throw new CliError(
    "not-found",
    `path '${path}' is neither in the store nor on this host, so it cannot be registered`,
  );
}

function* readRegistrations(text: string, storeDir: string, hashGiven: boolean): Generator<Registration, void> {
  const lines = text.split("\n");
  let at = 0;
  const next = (): string => {
    if (at >= lines.length) throw new CliError("invalid-target", "the registration ends in the middle");
    return lines[at++];
  };
  const number = (what: string): number => {
    const line = next();
    if (/^\d{1,15}$/.test(line)) return Number(line);
    throw new CliError(
      "invalid-target",
      `line ${at} of the registration: ${what} expected, got '${textOf(line.slice(0, 200))}'`,
    );
  };
  while (at < lines.length && !(at === lines.length - 1 && lines[at] === "")) {
    const path = parseAbsoluteStorePath(next(), storeDir);
    const narSha256 = hashGiven ? parseHash(next(), "sha256").bytes : undefined;
    const narSize = hashGiven ? number("a size") : undefined;
    const deriver = next();
    const count = number("a number of references");
    if (count > REFERENCES_MAX)
      throw new CliError("invalid-target", `${path} has more than ${REFERENCES_MAX} references`);
    const references = Array.from({ length: count }, () => parseAbsoluteStorePath(next(), storeDir));
    yield {
      path,
      references: sortedReferences(references),
      ...(narSha256 === undefined ? {} : { narSha256, narSize }),
      ...(deriver === "" ? {} : { deriver: parseAbsoluteStorePath(deriver, storeDir) }),
    };
  }
}

export async function checkValidity({ flags, operands }: StoreArguments, session: Session): Promise<void> {
  checkFlags(flags, ["--print-invalid"]);
  const graph = await openGraph(session);
  for (const operand of operands) {
    const path = storePathOf(operand, session);
    if (!flags.includes("--print-invalid")) await graph.info(path);
    else if ((await graph.find(path)) === undefined) await session.output.line(path.absolute(session.config.storeDir));
  }
}

export async function verifyPath({ flags, operands }: StoreArguments, session: Session): Promise<number> {
  if (flags.length > 0) throw new UsageError("no flags expected");
  const { config, output, signal } = session;
  const graph = await openGraph(session);
  const store = await session.openStore();
  let exitCode = 0;
  for (const operand of operands) {
    const path = storePathOf(operand, session);
    const info = await graph.info(path);
    const found = await calculateNar(info.node, store, { signal });
    if (equalBytes(found.narSha256, info.narSha256)) continue;
    const [expected, got] = [info, found].map(({ narSha256 }) =>
      printHash({ algorithm: "sha256", bytes: narSha256 }, "nix32"),
    );
    await output.note(
      `error: path '${path.absolute(config.storeDir)}' was modified! expected hash '${expected}', got '${got}'`,
    );
    exitCode = 1;
  }
  return exitCode;
}
