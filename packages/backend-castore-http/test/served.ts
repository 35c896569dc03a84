/* Static stores for tests: one that gateway makes from a store in memory, and a directory behind the simplest of web servers. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { StaticFiles } from "@firn/backend-castore-http";
import { StaticCastore } from "@firn/gateway";
import type { StoreServices } from "@firn/store";

export type Served = {
  readonly files: StaticFiles;
  readonly url: string;
  readonly asked: string[];
  readonly close: () => Promise<void>;
};

async function listen(handler: RequestListener, path: string): Promise<Served> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const asked: string[] = [];
  const files = new StaticFiles(url, { onRequest: (method, name) => asked.push(`${method} ${name}`) });
  return {
    files,
    url,
    asked,
    close: async () => {
      await files[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A store served as gateway does. */
export function serveStore(store: StoreServices, isWritable = false): Promise<Served> {
  const castore = new StaticCastore({
    ...store,
    isWritable,
    report: (thrown) => {
      throw thrown;
    },
  });
  return listen((request, response) => {
    if (!castore.handle(request, response)) response.writeHead(404).end();
  }, "/castore");
}

export type DirectoryServer = {
  /** Without them the server answers with whole files, as some do. */
  readonly withRanges?: boolean;
  /** Changes what is sent of a file. */
  readonly damage?: (name: string, bytes: Uint8Array) => Uint8Array;
};

/** Files of a directory. */
export function serveDirectory(hostDir: string, { withRanges = true, damage }: DirectoryServer = {}): Promise<Served> {
  return listen(async (request, response) => {
    const name = (request.url ?? "/").slice("/firn/".length);
    const found = await stat(join(hostDir, name)).catch(() => undefined);
    if (found?.isFile() !== true) return void response.writeHead(404).end();
    const [, from, to] = (withRanges && /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "")) || [];
    const start = Number(from ?? 0);
    const end = from === undefined ? found.size : Math.min(found.size, Number(to) + 1);
    if (from !== undefined && start >= found.size)
      return void response.writeHead(416, { "content-range": `bytes */${found.size}` }).end();
    if (from === undefined) response.writeHead(200, { "content-length": found.size });
    else
      response.writeHead(206, {
        "content-length": end - start,
        "content-range": `bytes ${start}-${end - 1}/${found.size}`,
      });
    if (request.method === "HEAD" || end === start) return void response.end();
    for await (const bytes of createReadStream(join(hostDir, name), { start, end: end - 1 }))
      response.write(damage === undefined ? bytes : damage(name, new Uint8Array(bytes)));
    response.end();
  }, "/firn");
}
