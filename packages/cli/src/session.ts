/*
What a running command has at hand: configuration, output, cancellation and the store, which is opened at its first use and closed by
whoever made the session. Commands take it as their second argument; a test makes one with streams of its own.
*/

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ByteStream } from "@firn/base";
import type { Lie, ServiceEvent } from "@firn/castore";
import type { LocalStore } from "@firn/backend-local";
import type { BuildRecords } from "@firn/backend-sqlite";
import type { Config } from "./config.ts";
import { CliError } from "./error.ts";
import type { OpenedStore, OpenStoreOptions } from "./opened-store.ts";
import { parseStoreChoice, type StoreChoice } from "./store-choice.ts";
import type { Output } from "./output.ts";

export class Session implements AsyncDisposable {
  readonly config: Config;
  readonly output: Output;
  /** Fires when the command is to stop, with the reason to throw. */
  readonly signal: AbortSignal;
  /** Standard input as it comes, for once; ends with an error when the signal fires. */
  readonly stdin: () => ByteStream;
  /** Reads all of standard input. */
  readonly readStdin: () => Promise<Uint8Array>;
  /** Ends listening for signals, for a command that hands them to another program. */
  readonly releaseSignals: () => void;
  #choice: StoreChoice;
  #store: Promise<LocalStore> | undefined;
  #own: Promise<LocalStore> | undefined;
  #services: Promise<OpenedStore> | undefined;
  #builds: Promise<BuildRecords> | undefined;
  readonly #adopted: AsyncDisposable[] = [];

  constructor(parts: {
    readonly config: Config;
    readonly output: Output;
    readonly signal: AbortSignal;
    readonly stdin: () => ByteStream;
    readonly readStdin: () => Promise<Uint8Array>;
    readonly releaseSignals: () => void;
  }) {
    this.config = parts.config;
    this.output = parts.output;
    this.signal = parts.signal;
    this.stdin = parts.stdin;
    this.readStdin = parts.readStdin;
    this.releaseSignals = parts.releaseSignals;
    this.#choice = { kind: "local", hostDir: join(parts.config.stateDir, "store") };
  }

  /** Makes the store named by --store the one that is opened. Throws `usage`. */
  useStore(text: string): void {
    this.#choice = parseStoreChoice(text, this.config.workingDirectory);
  }

  /** Whether Firn's own store is the one that was chosen. */
  get isLocal(): boolean {
    return this.#choice.kind === "local";
  }

  /** Host directory of the local store. Throws `usage` when another kind was chosen. */
  get storeHostDir(): string {
    if (this.#choice.kind === "local") return this.#choice.hostDir;
    throw new CliError("usage", "this command needs Firn's own store on this machine: --store local:DIR");
  }

  /** Host directory of builds under way. */
  get buildsHostDir(): string {
    return join(this.config.stateDir, "builds");
  }

  /** Host directory with a link to the files of every output that was given to the user, named as the output. */
  get outputsHostDir(): string {
    return join(this.config.stateDir, "outputs");
  }

  /** Host directory of profiles that are named without a path. */
  get profilesHostDir(): string {
    return join(this.config.stateDir, "profiles");
  }

  /** Whether there is a store already. */
  hasStore(): boolean {
    return existsSync(join(this.storeHostDir, "format"));
  }

  /** The local store, made when there is none yet. Throws `usage` when a store of another kind was chosen. */
  openStore(): Promise<LocalStore> {
    this.#store ??= this.#open(this.storeHostDir);
    return this.#store;
  }

  /** The services of the store that was chosen, whatever it is. */
  openServices(): Promise<OpenedStore> {
    this.#services ??= this.#openServices();
    return this.#services;
  }

  /** What this machine remembers of its builds; closed with the session. */
  openBuilds(): Promise<BuildRecords> {
    this.#builds ??= this.#openBuilds();
    return this.#builds;
  }

  /** Another store beside it, which the caller closes. Throws `usage`. */
  async openOther(text: string): Promise<OpenedStore> {
    const choice = parseStoreChoice(text, this.config.workingDirectory);
    const { openChosenStore } = await import("./opened-store.ts");
    return openChosenStore(choice, this.#openOptions());
  }

  /** Closes something with the session, before what it rests on. */
  adopt(resource: AsyncDisposable): void {
    this.#adopted.push(resource);
  }

  /** Closes the store if it was opened. */
  async close(): Promise<void> {
    for (const resource of this.#adopted.splice(0)) await resource[Symbol.asyncDispose]();
    const store = this.#store;
    const services = this.#services;
    const builds = this.#builds;
    const own = this.#own;
    this.#own = undefined;
    this.#store = undefined;
    this.#builds = undefined;
    this.#services = undefined;
    (await builds?.catch(() => undefined))?.close();
    await (await services?.catch(() => undefined))?.[Symbol.asyncDispose]();
    await (await store?.catch(() => undefined))?.close();
    await (await own?.catch(() => undefined))?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #openBuilds(): Promise<BuildRecords> {
    const { openBuildRecords } = await import("@firn/backend-sqlite");
    const { identityOfSelf, isAlive } = await import("@firn/backend-local");
    return openBuildRecords(join(this.config.stateDir, "build-records"), {
      process: { self: identityOfSelf(), isAlive },
      retention: { endedMax: this.config.buildsKept, daysMax: this.config.buildsKeptDays },
      now: Date.now,
    });
  }

  async #openServices(): Promise<OpenedStore> {
    const choice = this.#choice;
    // Loaded here, as below.
    const { openChosenStore, servicesOfLocal } = await import("./opened-store.ts");
    if (choice.kind === "local") return servicesOfLocal(await this.openStore());
    return openChosenStore(choice, this.#openOptions());
  }

  #openOptions(): OpenStoreOptions {
    const openOwn = () => {
      if (this.#choice.kind === "local") return this.openStore();
      this.#own ??= this.#open(join(this.config.stateDir, "store"));
      return this.#own;
    };
    const trace = this.config.traceStore ? (event: ServiceEvent) => this.#tellCall(event) : undefined;
    const onLie = ({ liar, found }: Lie) =>
      void this.output.warn(`${liar} sent what was not asked for, and is not asked any more: ${found.message}`, {
        code: "peer-lied",
        details: { peer: liar },
      });
    return { storeDir: this.config.storeDir, signal: this.signal, trace, onLie, openOwn };
  }

  #tellCall({ instance, operation, subject = "", outcome, ms, bytes }: ServiceEvent): void {
    const length = bytes === undefined ? "" : ` ${bytes} bytes`;
    const message = `${instance} ${operation} ${subject} ${outcome}${length} ${ms.toFixed(2)} ms`.replace("  ", " ");
    void this.output.say({ level: "info", code: "store-call", message });
  }

  async #open(hostDir: string): Promise<LocalStore> {
    // Loaded here: commands that touch no store do not wait for its native parts.
    const { openLocalStore } = await import("@firn/backend-local");
    const { filesBytesMax } = this.config;
    return openLocalStore(hostDir, { signal: this.signal, ...(filesBytesMax === undefined ? {} : { filesBytesMax }) });
  }
}
