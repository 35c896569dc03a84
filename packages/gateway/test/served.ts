/* A binary cache over a store in memory, served on a port of this machine for one test. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { MemoryRealisations, type StoreServices } from "@firn/store";
import { BinaryCache, type BinaryCacheParts } from "../src/index.ts";
import { memoryStore } from "../../store/test/small-store.ts";

export type Served = {
  readonly url: string;
  readonly store: StoreServices;
  readonly failures: unknown[];
  /** Requests, as `GET /path`. */
  readonly asked: string[];
};

export async function serve(
  t: { readonly after: (action: () => Promise<void>) => void },
  parts: Partial<BinaryCacheParts> = {},
): Promise<Served> {
  const store = memoryStore();
  const failures: unknown[] = [];
  const asked: string[] = [];
  const cache = new BinaryCache({
    ...store,
    realisations: new MemoryRealisations(),
    isWritable: true,
    now: Date.now,
    report: (thrown) => void failures.push(thrown),
    ...parts,
  });
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (!cache.handle(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await cache[Symbol.asyncDispose]();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    store: { ...store, ...parts },
    failures,
    asked,
  };
}
