/*
What a Nix daemon knows of its paths, as a PathInfoService. A daemon knows no castore, so the root of a path comes from its NAR, which is taken into the
castore beside it when the path is asked for and compared with the hash the daemon says; and what is put is rendered from there. So `get` of a
path is a download, unless the path's contents are in the castore already and are known there under the same NAR hash.

What a daemon adds is lasting; Firn's own signatures and times of registration are lost on the way.
*/

import { equalBytes, throwIfAborted } from "@firn/base";
import { type CallOptions, type CastoreServices, hasNode, LruMap, type Node } from "@firn/castore";
import { toHex } from "@firn/hash";
import { keyedPathInfo, type StorePath, WireWriter, type WorkerPathInfo, type WorkerSession } from "@firn/nix-compat";
import {
  inRegistrationOrder,
  mergeAll,
  type PathInfo,
  pathInfoOf,
  type PathInfoService,
  renderNar,
  StoreError,
} from "@firn/store";
import type { ConnectionPool } from "./connection-pool.ts";
import type { DaemonPaths } from "./daemon-paths.ts";
import { NixDaemonError } from "./error.ts";

/** Roots of NARs that are remembered. */
const NODES_MAX = 1 << 16;
/** The version from which on several paths are sent at once. */
const MULTIPLE_SINCE = 32;

export type DaemonPathInfosParts = {
  readonly pool: ConnectionPool;
  readonly paths: DaemonPaths;
  /** Where contents are taken in, and rendered from. */
  readonly castore: CastoreServices;
  /** A store on the same castore: contents of paths that it knows under the same NAR hash are not asked for. */
  readonly near?: Pick<PathInfoService, "get">;
};

export class DaemonPathInfos implements PathInfoService {
  readonly supports = { write: true, list: true };
  readonly #parts: DaemonPathInfosParts;
  /** By NAR hash. */
  readonly #nodes = new LruMap<string, Node>(NODES_MAX);

  constructor(parts: DaemonPathInfosParts) {
    this.#parts = parts;
  }

  async get(hashPart: string, options?: CallOptions): Promise<PathInfo | undefined> {
    throwIfAborted(options?.signal);
    const { paths } = this.#parts;
    const path = await paths.pathOf(hashPart, options);
    const known = path === undefined ? undefined : await paths.find(path, options);
    if (path === undefined || known === undefined) return undefined;
    return pathInfoOf({ path, ...known }, await this.#nodeOf(path, known, options), known.registeredAt);
  }

  async put(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    throwIfAborted(options?.signal);
    const registered = await this.#registered(infos, options);
    const written = mergeAll(infos, (hashPart) => registered.get(hashPart));
    const fresh = written.filter(({ path }) => !registered.has(path.hashPart));
    await this.#send(inRegistrationOrder(fresh), options);
    for (const { path, signatures } of written) {
      const earlier = registered.get(path.hashPart);
      const brought = signatures.filter(({ scheme }) => scheme === undefined);
      if (earlier === undefined || brought.length === 0) continue;
      await this.#parts.pool.run(options?.signal, (connection) =>
        connection.call("addSignatures", { path, signatures: brought }, { signal: options?.signal }),
      );
    }
  }

  async *list(options?: CallOptions): AsyncGenerator<PathInfo, void> {
    for (const path of await this.#parts.paths.list(options)) {
      const info = await this.get(path.hashPart, options);
      if (info !== undefined) yield info;
    }
  }

  async referrers(path: StorePath, options?: CallOptions): Promise<readonly StorePath[]> {
    if ((await this.#parts.paths.find(path, options)) === undefined) return [];
    const referrers = await this.#parts.pool.run(options?.signal, (connection) =>
      connection.call("queryReferrers", { path }, { signal: options?.signal }),
    );
    return referrers.filter((referrer) => !referrer.equals(path));
  }

  /** The root of a path's contents, which are in the castore then. Throws `mismatch` when the daemon sends others than it says. */
  async #nodeOf(path: StorePath, said: WorkerPathInfo, options?: CallOptions): Promise<Node> {
    const { castore, near, paths } = this.#parts;
    const key = toHex(said.narSha256);
    const nearInfo = await near?.get(path.hashPart, options);
    const isSame = nearInfo !== undefined && equalBytes(nearInfo.narSha256, said.narSha256);
    const known = isSame ? nearInfo.node : this.#nodes.get(key);
    if (known !== undefined && (await hasNode(known, castore, options))) return known;
    const node = await paths.take(path, said, castore, options);
    this.#nodes.set(key, node, 1);
    return node;
  }

  /** What is registered already of the infos and of what they refer to, as far as it decides what may be put. */
  async #registered(infos: readonly PathInfo[], options?: CallOptions): Promise<Map<string, PathInfo>> {
    const coming = new Map(infos.map((info) => [info.path.hashPart, info]));
    const asked = new Map<string, StorePath>();
    for (const { path, references } of infos)
      for (const each of [path, ...references]) asked.set(each.toString(), each);
    const registered = new Map<string, PathInfo>();
    for (const path of asked.values()) {
      const known = await this.#parts.paths.find(path, options);
      // Contents are compared by their NAR hash; the node is not known without them.
      const node: Node = coming.get(path.hashPart)?.node ?? { kind: "symlink", target: "elsewhere" };
      if (known !== undefined) registered.set(path.hashPart, pathInfoOf({ path, ...known }, node, known.registeredAt));
    }
    return registered;
  }

  /** Paths that the daemon lacks, references first. */
  async #send(infos: readonly PathInfo[], options?: CallOptions): Promise<void> {
    if (infos.length === 0) return;
    const { castore, pool } = this.#parts;
    const signal = options?.signal;
    await pool
      .run(signal, async (connection) => {
        const flags = { repair: false, dontCheckSigs: true };
        if (connection.session.version >= MULTIPLE_SINCE) {
          const body = severalPaths(infos, castore, connection.session, options);
          await connection.call("addMultipleToStore", flags, { signal, body });
          return;
        }
        for (const info of infos) {
          const body = renderNar(info.node, castore, options);
          await connection.call("addToStoreNar", { ...saidOf(info), ...flags }, { signal, body });
        }
      })
      .catch((thrown: unknown) => {
        if (thrown instanceof NixDaemonError && thrown.message.includes("signature by a trusted key"))
          throw new StoreError("untrusted", thrown.message, { cause: thrown });
        throw thrown;
      });
  }
}

/** A count, then each path's info and NAR. */
async function* severalPaths(
  infos: readonly PathInfo[],
  castore: CastoreServices,
  session: WorkerSession,
  options?: CallOptions,
): AsyncGenerator<Uint8Array, void> {
  yield new WireWriter().integer(infos.length).take();
  for (const info of infos) {
    const to = new WireWriter();
    keyedPathInfo.write(to, saidOf(info), session);
    yield to.take();
    yield* renderNar(info.node, castore, options);
  }
}

function saidOf(info: PathInfo): { readonly path: StorePath; readonly info: WorkerPathInfo } {
  const { path, deriver, narSha256, references, registeredAt, narSize, contentAddress } = info;
  const signatures = info.signatures.filter(({ scheme }) => scheme === undefined);
  return {
    path,
    info: { deriver, narSha256, references, registeredAt, narSize, ultimate: false, signatures, contentAddress },
  };
}
