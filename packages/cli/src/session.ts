/*
What a running command has at hand: configuration, output, cancellation and the store, which is opened at its first use and closed by
whoever made the session. Commands take it as their second argument; a test makes one with streams of its own.
*/

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ByteStream } from "@firn/base";
import type { LocalStore } from "@firn/backend-local";
import type { Config } from "./config.ts";
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
  #store: Promise<LocalStore> | undefined;

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
  }

  /** Host directory of the store. */
  get storeHostDir(): string {
    return join(this.config.stateDir, "store");
  }

  /** Host directory of builds under way. */
  get buildsHostDir(): string {
    return join(this.config.stateDir, "builds");
  }

  /** Host directory with a link to the files of every output that was given to the user, named as the output. */
  get outputsHostDir(): string {
    return join(this.config.stateDir, "outputs");
  }

  /** Whether there is a store already. */
  hasStore(): boolean {
    return existsSync(join(this.storeHostDir, "format"));
  }

  /** The store, made when there is none yet. */
  openStore(): Promise<LocalStore> {
    this.#store ??= this.#open();
    return this.#store;
  }

  /** Closes the store if it was opened. */
  async close(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    await (await store?.catch(() => undefined))?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<LocalStore> {
    // Loaded here: commands that touch no store do not wait for its native parts.
    const { openLocalStore } = await import("@firn/backend-local");
    return openLocalStore(this.storeHostDir, { signal: this.signal });
  }
}
