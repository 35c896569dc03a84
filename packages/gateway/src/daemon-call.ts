/*
One request of a client while it is answered: what it may do, what it said about builds before, the body that follows it, the lease that holds what it
touches. A connection has at most one at a time.
*/

import {
  assert,
  type ByteStream,
  type ByteString,
  byteStringOf,
  byteStringOfText,
  mapConcurrently,
  messageOf,
} from "@firn/base";
import { type CallOptions, type Lease, readBlob } from "@firn/castore";
import {
  type Derivation,
  DERIVATION_BYTES_MAX,
  parseAbsoluteStorePath,
  parseDerivation,
  type StorePath,
  WORKER_LEVEL,
  type WorkerBody,
  type WorkerOperationName,
  type WorkerReply,
  type WorkerRequest,
  type WorkerSession,
} from "@firn/nix-compat";
import type { PathInfo } from "@firn/store";
import type { DaemonBuildSettings, DaemonHost, DaemonSources } from "./daemon-host.ts";
import type { DaemonLog } from "./daemon-log.ts";
import { GatewayError } from "./error.ts";
import type { HashedRealisations } from "./hashed-realisations.ts";

/** Paths that are brought at the same time where each stands for itself. */
const BROUGHT_AT_ONCE = 16;

/** Answers requests of these operations; throws what the client is to be told. */
export type DaemonHandlers<Name extends WorkerOperationName> = {
  readonly [Each in Name]: (request: WorkerRequest<Each>, call: DaemonCall) => Promise<WorkerReply<Each>>;
};

/** What goes for a client that says nothing about builds. */
export const USUAL_SETTINGS: DaemonBuildSettings = { keepGoing: false, substitute: true };

/** What stays between the calls of one connection. */
export type DaemonConnectionState = {
  readonly host: DaemonHost;
  readonly session: WorkerSession;
  /** For clients that name derivations by their hashes. */
  readonly hashed?: HashedRealisations;
  /** Whether the client may do what could deceive others. */
  readonly trusted: boolean;
  readonly log: Pick<DaemonLog, "level" | "say" | "warn" | "build" | "endBuilds">;
  /** The connection's lease, opened when it is first needed: whoever only looks holds nothing. */
  readonly lease: () => Promise<Lease>;
  settings: DaemonBuildSettings;
};

export class DaemonCall {
  readonly state: DaemonConnectionState;
  readonly signal: AbortSignal;
  readonly bodyKind: WorkerBody | undefined;
  readonly #body: (length: number) => ByteStream;
  /** A NAR to be sent after the reply. */
  nar: ByteStream | undefined;

  constructor(
    state: DaemonConnectionState,
    signal: AbortSignal,
    bodyKind: WorkerBody | undefined,
    body: (length: number) => ByteStream,
  ) {
    this.state = state;
    this.signal = signal;
    this.bodyKind = bodyKind;
    this.#body = body;
  }

  get host(): DaemonHost {
    return this.state.host;
  }

  /** What follows the request. `length` is how long it is said to be, for clients that have to be asked for it. */
  body(length: number = Number.MAX_SAFE_INTEGER): ByteStream {
    assert(this.bodyKind !== undefined, "an operation with a body was asked for");
    return this.#body(length);
  }

  /** For calls whose answers hold until the connection ends. */
  async held(): Promise<CallOptions> {
    return { signal: this.signal, lease: await this.state.lease() };
  }

  /** What is registered under this very path. */
  async find(path: StorePath, options: CallOptions = { signal: this.signal }): Promise<PathInfo | undefined> {
    const info = await this.host.services.pathInfos.get(path.hashPart, options);
    return info?.path.equals(path) ? info : undefined;
  }

  /** As above. Throws `not-found` in Nix's words, which clients look for. */
  async need(path: StorePath, options?: CallOptions): Promise<PathInfo> {
    const info = await this.find(path, options);
    if (info !== undefined) return info;
    throw new GatewayError("not-found", `path '${path.absolute(this.host.storeDir)}' is not valid`);
  }

  /** Makes sure that a path is registered and held, from elsewhere if need be. Throws `not-found`. */
  async ensure(path: StorePath): Promise<void> {
    const held = await this.held();
    if ((await this.find(path, held)) !== undefined) return;
    using sources = this.openSources(held.lease);
    await sources?.bring([path], { signal: this.signal });
    await this.need(path, held);
  }

  /** Has those of the paths brought that are missing and can be had, and holds them. What fails is said and left. Follows Store::substitutePaths. */
  async bringSome(paths: readonly StorePath[]): Promise<void> {
    const held = await this.held();
    using sources = this.openSources(held.lease);
    if (sources === undefined) return;
    await mapConcurrently(
      paths.filter((path) => !path.isDerivation),
      BROUGHT_AT_ONCE,
      async (path, signal) => {
        if ((await this.find(path, held)) !== undefined) return;
        await sources.bring([path], { signal }).catch((thrown: unknown) => {
          signal.throwIfAborted();
          this.state.log.warn(byteStringOfText(messageOf(thrown)));
        });
      },
      this.signal,
    );
  }

  /** What paths can be had from; undefined where that is nothing, or where the client does not want it. */
  openSources(lease?: Lease): DaemonSources | undefined {
    if (!this.state.settings.substitute) return undefined;
    return this.host.openSources?.({ lease, say: this.say });
  }

  /** A line for the client. */
  readonly say = (text: ByteString): void => this.state.log.say(WORKER_LEVEL.info, text);

  /** Makes files of paths the client is about to be told of. */
  async show(paths: readonly StorePath[]): Promise<void> {
    if (paths.length > 0) await this.host.show?.(paths, this.signal);
  }

  /** What a registered .drv says. */
  async derivation(path: StorePath, options?: CallOptions): Promise<Derivation> {
    const { node } = await this.need(path, options);
    const { storeDir, services } = this.host;
    if (node.kind !== "file" || !path.isDerivation)
      throw new GatewayError("bad-request", `'${path.absolute(storeDir)}' is not a derivation`);
    const bytes = await readBlob(services.blobs, node.digest, DERIVATION_BYTES_MAX, { signal: this.signal });
    return parseDerivation(byteStringOf(bytes), path.name.slice(0, -".drv".length), storeDir);
  }

  /** Where outputs of a derivation are or will be; undefined where that is not known before they are built. */
  async outputs(path: StorePath, derivation: Derivation): Promise<Map<string, StorePath | undefined>> {
    const outputs = new Map<string, StorePath | undefined>();
    for (const [name, output] of derivation.outputs) {
      const known =
        output.path === "" ? await this.host.realisations?.get(path, name, { signal: this.signal }) : undefined;
      outputs.set(name, output.path === "" ? known?.path : this.parse(output.path));
    }
    return outputs;
  }

  parse(path: string): StorePath {
    return parseAbsoluteStorePath(path, this.host.storeDir);
  }

  /** Throws `forbidden` unless the client is trusted; `what` continues "you are not privileged to". */
  needTrust(what: string): void {
    if (!this.state.trusted) throw new GatewayError("forbidden", `you are not privileged to ${what}`);
  }
}
