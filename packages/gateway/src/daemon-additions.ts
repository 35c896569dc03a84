/*
What clients bring: contents that become content-addressed paths, NARs with what is said of them, signatures, realisations, logs. NARs stream into castore and
are never in memory.

Nothing is believed. Hashes and sizes are compared with the contents; a path that does not follow from its contents needs a trusted key's signature, which
only a trusted client may do without. What is registered stays as it is: no client replaces contents, whether it says "repair" or not.
*/

import { ByteSource, type ByteStream, bytesOf } from "@firn/base";
import type { CallOptions, Node } from "@firn/castore";
import {
  type AddedAs,
  invalidMessage,
  keyedPathInfo,
  makeFixedOutputPath,
  parseStorePath,
  type StorePath,
  WireReader,
  type WorkerPathInfo,
} from "@firn/nix-compat";
import {
  calculateNar,
  checkContentAddress,
  hashContents,
  type IngestedNar,
  ingestNar,
  isContentAddressed,
  type NarDigest,
  type PathInfo,
  sortedReferences,
} from "@firn/store";
import type { DaemonCall, DaemonHandlers } from "./daemon-call.ts";
import { workerPathInfo } from "./daemon-queries.ts";
import { GatewayError } from "./error.ts";
import { discard, limited } from "./limited.ts";

/** Longest log of a build, in bytes. */
const LOG_BYTES_MAX = 1 << 30;
/** Paths that are registered together. */
const BATCH_PATHS = 64;

type Additions =
  | "addToStore"
  | "addTextToStore"
  | "addToStoreNar"
  | "addMultipleToStore"
  | "addSignatures"
  | "registerDrvOutput"
  | "addBuildLog";

export const DAEMON_ADDITIONS: DaemonHandlers<Additions> = {
  addToStore: async (request, call) => {
    const options = await call.held();
    const isNar = call.bodyKind === "nar" || request.method === "nar" || request.method === "git";
    const { services } = call.host;
    const { node, ...nar } = isNar
      ? await ingestNar(call.body(), services, options)
      : await takeFile(call.body(), call, options);
    const info = await registerContents(request, node, nar, call, options);
    return { path: info.path, info: workerPathInfo(info) };
  },

  addTextToStore: async ({ name, text, references }, call) => {
    const options = await call.held();
    const bytes = bytesOf(text);
    const digest = await call.host.services.blobs.put(bytes, options);
    const node: Node = { kind: "file", digest, size: bytes.length, executable: false };
    const as: AddedAs = { name, method: "text", algorithm: "sha256", references, repair: false };
    const nar = await calculateNar(node, call.host.services, options);
    return (await registerContents(as, node, nar, call, options)).path;
  },

  addToStoreNar: async ({ path, info, dontCheckSigs }, call) => {
    const options = await call.held();
    const said = pathInfoOf(path, info, call);
    await judgeBefore(said, dontCheckSigs, call);
    const nar = call.body(info.narSize);
    if ((await call.find(path, options)) !== undefined) return await discard(nar);
    const taken = await takeNar(said, nar, call, options);
    await call.host.services.pathInfos.put([taken], options);
    await call.show([path]);
  },

  addMultipleToStore: async ({ dontCheckSigs }, call) => {
    const options = await call.held();
    await using source = new ByteSource(call.body());
    const from = new WireReader(source, invalidMessage);
    let batch: PathInfo[] = [];
    const register = async () => {
      await call.host.services.pathInfos.put(batch, options);
      await call.show(batch.map(({ path }) => path));
      batch = [];
    };
    for (let left = await from.integer("number of paths"); left > 0; left--) {
      const { path, info } = await keyedPathInfo.read(from, call.state.session);
      const said = pathInfoOf(path, info, call);
      await judgeBefore(said, dontCheckSigs, call);
      if ((await call.find(path, options)) !== undefined) await discard(from.nar());
      else batch.push(await takeNar(said, from.nar(), call, options));
      if (batch.length >= BATCH_PATHS) await register();
    }
    await register();
  },

  addSignatures: async ({ path, signatures }, call) => {
    const options = await call.held();
    await call.host.services.pathInfos.put([{ ...(await call.need(path, options)), signatures }], options);
  },

  /** DEVIATION: only for trusted clients. C++ Nix takes them from everyone, and so what another user's build is told an output came out as. */
  registerDrvOutput: async ({ realisation: { id, path, signatures } }, call) => {
    call.needTrust("register what a derivation's output came out as");
    const { realisations } = call.host;
    if (realisations === undefined) throw new GatewayError("method", "no realisations are kept here");
    const options = await call.held();
    await call.need(path, options);
    if (typeof id.drv === "string") await call.state.hashed?.take(`${id.drv}!${id.output}`, path, options);
    else await realisations.put([{ drvPath: id.drv, output: id.output, path, signatures }], options);
  },

  addBuildLog: async ({ drvName }, call) => {
    call.needTrust("add logs");
    const drvPath = parseStorePath(drvName);
    const { logs } = call.host;
    if (!drvPath.isDerivation) throw new GatewayError("bad-request", `'${drvName}' is not a derivation`);
    if (logs?.put === undefined) throw new GatewayError("method", "no logs are taken in here");
    await logs.put(drvPath, limited(call.body(), LOG_BYTES_MAX), { signal: call.signal });
  },
};

async function takeFile(body: ByteStream, { host }: DaemonCall, options: CallOptions): Promise<IngestedNar> {
  await using writer = host.services.blobs.openWrite(options);
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    await writer.write(chunk);
  }
  const node: Node = { kind: "file", digest: await writer.close(), size, executable: false };
  return { node, ...(await calculateNar(node, host.services, options)) };
}

/** Registers a node under the path that follows from it. */
async function registerContents(
  { name, method, algorithm, references }: AddedAs,
  node: Node,
  nar: NarDigest,
  call: DaemonCall,
  options: CallOptions,
): Promise<PathInfo> {
  const { services, storeDir, now } = call.host;
  const isNarHash = method === "nar" && algorithm === "sha256";
  const hash = isNarHash
    ? { algorithm, bytes: nar.narSha256 }
    : await hashContents(node, { method, algorithm }, services, options);
  const path = makeFixedOutputPath({ method, hash, name, references }, storeDir);
  const info: PathInfo = {
    path,
    node,
    ...nar,
    references: sortedReferences(references),
    contentAddress: { method, hash },
    signatures: [],
    registeredAt: Math.floor(now() / 1000),
  };
  const known = await call.find(path, options);
  if (known === undefined) await services.pathInfos.put([info], options);
  await call.show([path]);
  return known ?? info;
}

/** What a client says of a path; its node is not known yet. */
type SaidPathInfo = Omit<PathInfo, "node">;

function pathInfoOf(path: StorePath, info: WorkerPathInfo, { host }: DaemonCall): SaidPathInfo {
  const { deriver, narSha256, narSize, contentAddress, signatures } = info;
  const references = sortedReferences(info.references);
  const registeredAt = Math.floor(host.now() / 1000);
  return { path, deriver, narSha256, narSize, references, contentAddress, signatures, registeredAt };
}

/** Refuses what could only be refused after its contents were read. Signatures are over the hash that is said, which the contents must have. */
async function judgeBefore(said: SaidPathInfo, dontCheckSigs: boolean, { state, host }: DaemonCall): Promise<void> {
  if (dontCheckSigs && state.trusted) return;
  const { storeDir, trustedKeys } = host;
  if (isContentAddressed(said, storeDir)) return;
  if (said.narSize > 0 && (await trustedKeys.check(said, storeDir)).nix.length > 0) return;
  const path = said.path.absolute(storeDir);
  throw new GatewayError("forbidden", `cannot add path '${path}' because it lacks a signature by a trusted key`);
}

/** Takes in the NAR of a path. Throws `mismatch` unless it is what is said. */
async function takeNar(
  said: SaidPathInfo,
  nar: ByteStream,
  { host, signal }: DaemonCall,
  options: CallOptions,
): Promise<PathInfo> {
  const { narSha256, narSize } = said;
  const expected = narSize === 0 ? { narSha256 } : { narSha256, narSize };
  const ingested = await ingestNar(nar, host.services, { ...options, ...expected });
  const info: PathInfo = { ...said, ...ingested };
  await checkContentAddress(info, host.services, { signal, storeDir: host.storeDir, narIsVerified: true });
  return info;
}
