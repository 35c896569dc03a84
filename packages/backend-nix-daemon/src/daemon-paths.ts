/*
What a Nix daemon has, to be brought into any store: it is asked what it knows of a path, and later for the path's NAR, which must be what it said. So what
refers to nothing is registered long before all is here, and a copy that was stopped goes on where it was.
*/

import { type ByteStream, throwIfAborted } from "@firn/base";
import type { CallOptions, CastoreServices, Node } from "@firn/castore";
import type { StorePath, WorkerPathInfo } from "@firn/nix-compat";
import { ingestNar, type Offer, type Substituter, type TakeOptions } from "@firn/store";
import type { ConnectionPool } from "./connection-pool.ts";

export class DaemonPaths implements Substituter {
  readonly label: string;
  readonly #pool: ConnectionPool;

  constructor(label: string, pool: ConnectionPool) {
    this.label = label;
    this.#pool = pool;
  }

  async priority(): Promise<number> {
    return 0;
  }

  async offer(hashPart: string, options?: CallOptions): Promise<Offer | undefined> {
    const path = await this.pathOf(hashPart, options);
    const said = path && (await this.find(path, options));
    if (path === undefined || said === undefined) return undefined;
    return {
      described: { path, ...said },
      source: this.label,
      downloadBytes: said.narSize,
      take: (to, takeOptions) => this.take(path, said, to, takeOptions),
    };
  }

  async list({ signal }: CallOptions = {}): Promise<readonly StorePath[]> {
    return await this.#pool.run(signal, (connection) => connection.call("queryAllValidPaths", {}, { signal }));
  }

  async pathOf(hashPart: string, { signal }: CallOptions = {}): Promise<StorePath | undefined> {
    throwIfAborted(signal);
    return await this.#pool.run(signal, (connection) =>
      connection.call("queryPathFromHashPart", { hashPart }, { signal }),
    );
  }

  /** What the daemon says of a path. */
  async find(path: StorePath, { signal }: CallOptions = {}): Promise<WorkerPathInfo | undefined> {
    return await this.#pool.run(signal, (connection) => connection.call("queryPathInfo", { path }, { signal }));
  }

  /** Brings the contents; yields their root. Throws `mismatch` when the daemon sends others than it said. */
  async take(path: StorePath, said: WorkerPathInfo, to: CastoreServices, options: TakeOptions = {}): Promise<Node> {
    const { narSha256, narSize } = said;
    const { signal, lease, onBytes } = options;
    const connection = await this.#pool.acquire(signal);
    try {
      const nar = counted(connection.nar(path, signal), onBytes);
      const promised = narSize > 0 ? { narSize } : {};
      return (await ingestNar(nar, to, { signal, lease, narSha256, ...promised })).node;
    } finally {
      this.#pool.release(connection);
    }
  }
}

async function* counted(nar: ByteStream, onBytes: ((count: number) => void) | undefined): ByteStream {
  for await (const chunk of nar) {
    onBytes?.(chunk.length);
    yield chunk;
  }
}
