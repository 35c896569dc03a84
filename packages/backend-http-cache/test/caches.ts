/* Caches to read from: made of files, served over HTTP by a server that misbehaves as it is told. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StorePath } from "@firn/nix-compat";
import { closureOf, type StoreServices, type Substituter, Substitution, type SubstitutionParts } from "@firn/store";
import { openNixCache, publish } from "../src/index.ts";
import { chainStore, memoryStore } from "../../store/test/small-store.ts";

export type After = { readonly after: (action: () => void | Promise<void>) => void };

export type CacheServer = {
  readonly url: string;
  readonly files: Map<string, Uint8Array>;
  /** Requests, with what they say of credentials and ranges. */
  readonly asked: {
    readonly method: string;
    readonly path: string;
    readonly authorization?: string;
    readonly range?: string;
  }[];
};

/** Answers a request in its own way, and says whether it did. */
export type Misbehaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array | undefined,
) => boolean;

export async function serveFiles(
  t: After,
  files: Map<string, Uint8Array>,
  misbehave?: Misbehaviour,
): Promise<CacheServer> {
  const asked: CacheServer["asked"] = [];
  const server = createServer((request, response) => {
    const { method = "", headers } = request;
    const path = decodeURIComponent((request.url as string).slice(1));
    asked.push({ method, path, authorization: headers.authorization, range: headers.range });
    const file = files.get(path);
    if (misbehave?.(request, response, file)) return;
    if (file === undefined) return void response.writeHead(404).end();
    const etag = `"${file.length}-${file[file.length >> 1]}"`;
    const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? "") ?? [];
    if (from !== undefined && (headers["if-range"] ?? etag) === etag) {
      const range = `bytes ${from}-${file.length - 1}/${file.length}`;
      response.writeHead(206, { etag, "content-range": range, "content-length": file.length - Number(from) });
      response.end(file.subarray(Number(from)));
    } else response.writeHead(200, { etag, "content-length": file.length }).end(method === "HEAD" ? undefined : file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, files, asked };
}

export function tempDir(t: After): string {
  const directory = mkdtempSync(join(tmpdir(), "firn-cache-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The files of a directory, by their names below it. */
export function filesOf(directory: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(directory.length + 1), new Uint8Array(readFileSync(path)));
  }
  return files;
}

/** The cache that `store` makes when its paths are published to a directory. */
export async function publishedFiles(
  t: After,
  roots: readonly StorePath[],
  store?: StoreServices,
  parameters = "",
): Promise<Map<string, Uint8Array>> {
  const directory = join(tempDir(t), "cache");
  using to = openNixCache(`file://${directory}${parameters}`);
  await publish(roots, store ?? (await chainStore()), to, { tempDir: tempDir(t) });
  return filesOf(directory);
}

export type Brought = {
  readonly isThere: boolean;
  readonly to: StoreServices;
  readonly problems: readonly string[];
  readonly bytes: number;
};

/** Brings paths into a new store in memory. */
export async function bring(
  paths: readonly StorePath[],
  sources: readonly Substituter[],
  parts: Partial<SubstitutionParts> = {},
): Promise<Brought> {
  const to = memoryStore();
  const problems: string[] = [];
  let bytes = 0;
  const substitution = new Substitution({
    sources,
    to,
    lease: undefined,
    trusted: undefined,
    now: Date.now,
    onEvent: (event) => {
      if (event.type === "problem") problems.push(event.message);
      if (event.type === "bytes") bytes += event.count;
    },
    ...parts,
  });
  const isThere = await substitution.bring(paths);
  return {
    isThere,
    to: parts.to ?? to,
    problems,
    get bytes() {
      return bytes;
    },
  };
}

export async function namesOf(path: StorePath, store: StoreServices): Promise<string[]> {
  return (await closureOf([path], store.pathInfos)).map((info) => info.path.name).sort();
}

/** For caches whose server is broken for a moment: quick attempts. */
export const IMPATIENT = { retry: { attemptsMax: 3, delayMs: 1, delayMsMax: 2 }, stallMs: 2000 } as const;
