/*
Logs as a binary cache has them: what builders said here, and logs that clients brought, which are files below the state directory.
*/

import { randomUUID } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ByteStream } from "@firn/base";
import type { CallOptions, Digest } from "@firn/castore";
import type { BuildLogs } from "@firn/gateway";
import type { StorePath } from "@firn/nix-compat";
import { findBuildOf } from "../commands/log.ts";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";

export class ServedLogs implements BuildLogs {
  readonly #session: Session;

  /** Of a local store. */
  constructor(session: Session) {
    this.#session = session;
  }

  async get(drvPath: StorePath, options?: CallOptions): Promise<ByteStream | undefined> {
    return (await this.#built(drvPath, options)) ?? this.#brought(drvPath);
  }

  async put(drvPath: StorePath, log: ByteStream, options?: CallOptions): Promise<void> {
    const path = this.#pathOf(drvPath);
    const beside = `${path}.tmp-${randomUUID()}`;
    await mkdir(dirname(path), { recursive: true });
    try {
      {
        await using file = await open(beside, "wx");
        for await (const chunk of log) {
          options?.signal?.throwIfAborted();
          await file.writeFile(chunk);
        }
        await file.sync();
      }
      await rename(beside, path);
    } finally {
      await rm(beside, { force: true });
    }
  }

  async #built(drvPath: StorePath, options?: CallOptions): Promise<ByteStream | undefined> {
    const { config } = this.#session;
    let digest: Digest | undefined;
    try {
      digest = (await findBuildOf(drvPath.absolute(config.storeDir), this.#session)).log;
    } catch (thrown) {
      if (!(thrown instanceof CliError) || thrown.code !== "not-found") throw thrown;
    }
    if (digest === undefined) return undefined;
    const reader = await (await this.#session.openStore()).blobs.openRead(digest, options);
    if (reader === undefined) return undefined;
    return (async function* () {
      await using read = reader;
      yield* read.stream();
    })();
  }

  #brought(drvPath: StorePath): ByteStream | undefined {
    const path = this.#pathOf(drvPath);
    return existsSync(path) ? createReadStream(path) : undefined;
  }

  #pathOf(drvPath: StorePath): string {
    return join(this.#session.config.stateDir, "logs", drvPath.hashPart.slice(0, 2), drvPath.toString());
  }
}
