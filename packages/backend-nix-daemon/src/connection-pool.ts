/*
A few connections to one daemon, made when they are needed and used again. A daemon gives each a process, so they are few.
*/

import { JobSlots } from "@firn/base";
import type { DaemonConnection } from "./daemon-connection.ts";

export class ConnectionPool {
  readonly #open: (signal: AbortSignal | undefined) => Promise<DaemonConnection>;
  readonly #slots: JobSlots;
  readonly #idle: DaemonConnection[] = [];
  #isClosed = false;

  constructor(max: number, open: (signal: AbortSignal | undefined) => Promise<DaemonConnection>) {
    this.#slots = new JobSlots(max);
    this.#open = open;
  }

  /** Runs `work` with a connection that nobody else uses meanwhile. */
  async run<T>(signal: AbortSignal | undefined, work: (connection: DaemonConnection) => Promise<T>): Promise<T> {
    const connection = await this.acquire(signal);
    try {
      return await work(connection);
    } finally {
      this.release(connection);
    }
  }

  /** For what lasts longer than a call; must be released. Rejects with the signal's reason, while it waits for its turn as well. */
  async acquire(signal: AbortSignal | undefined): Promise<DaemonConnection> {
    await this.#slots.take(signal);
    try {
      for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) if (idle.isUsable) return idle;
      return await this.#open(signal);
    } catch (thrown) {
      this.#slots.release();
      throw thrown;
    }
  }

  release(connection: DaemonConnection): void {
    if (connection.isUsable && !this.#isClosed) this.#idle.push(connection);
    else connection.close();
    this.#slots.release();
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
