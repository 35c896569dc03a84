/*
The files below one directory, as a web server has them: pages, scripts and pictures, with `index.html` for directories, and the top one for addresses that only the
application behind it knows. Nothing is listed, nothing is changed, and no address leads out of the directory.

The trick against ways out is to open first and to ask the system then what was opened: a symlink that is changed in between changes nothing.
*/

import { constants } from "node:fs";
import { type FileHandle, open, readlink, realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { ByteStream } from "@firn/base";
import { accepts } from "./accept-encoding.ts";
import { answering, FOREVER, sendBytes, sendNotModified, sendRange } from "./answer.ts";
import { contentTypeOf } from "./content-types.ts";
import { GatewayError } from "./error.ts";

export type WebFilesOptions = {
  /** Hears of failures that are not the peer's fault. */
  readonly report: (thrown: unknown) => void;
};

const INDEX = "index.html";
const READ_BYTES = 256 * 1024;
const ADDRESS_CHARS_MAX = 4096;
/** In the order in which they are taken: names of encodings, and how the files that have them end. */
const PACKED = [
  ["br", ".br"],
  ["zstd", ".zst"],
  ["gzip", ".gz"],
] as const;
/** A name with a hash before its end: `app.3f2a9c1b.js`, `app-3QWE4RTZ.js.map`. Digits alone may be a date, letters alone a word. */
const HASHED_NAME = /[.-](?=[^.]*[0-9])(?=[^.]*[a-zA-Z])(?:[0-9a-f]{8,64}|[0-9A-Z]{8,64})(?:\.[a-z0-9]{1,12}){1,2}$/;
/** What is not there, whatever the reason. */
const ABSENT: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "ENXIO"]);

/** Pages load from here alone, run no script that stands in a page, are shown in no frame. WebAssembly is let run. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

export class WebFiles {
  /** Without symlinks in it. */
  readonly #root: string;
  readonly #report: WebFilesOptions["report"];

  private constructor(root: string, { report }: WebFilesOptions) {
    this.#root = root;
    this.#report = report;
  }

  /** Throws `not-found` when there is no such directory. */
  static async open(directory: string, options: WebFilesOptions): Promise<WebFiles> {
    const found = await stat(directory).catch(() => undefined);
    if (found?.isDirectory() !== true)
      throw new GatewayError("not-found", `web files are those of a directory, which ${directory} is not`);
    return new WebFiles(await realpath(directory), options);
  }

  /** Answers any request. Failures are answers. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    void answering(request, response, this.#report, () => this.#answer(request, response));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      throw new GatewayError("method", `${request.method} is not done here`);
    }
    const [address, query] = (request.url ?? "/").split(/\?(.*)/s, 2);
    const { names, isDirectory } = readAddress(address);
    const last = names.at(-1) ?? "";
    await using found = await this.#open(isDirectory ? [...names, INDEX] : names);
    if (found !== undefined) return await this.#send(request, response, found);
    if (!isDirectory) {
      await using index = await this.#open([...names, INDEX]);
      if (index !== undefined) {
        // What the page names beside itself would be looked for a directory above.
        response.setHeader("location", `${address}/${query === undefined ? "" : `?${query}`}`);
        return sendBytes(response, 308, "text/plain; charset=utf-8", "");
      }
    }
    await using top = last.includes(".") ? undefined : await this.#open([INDEX]);
    if (top === undefined) throw new GatewayError("not-found", "there is nothing here");
    await this.#send(request, response, top);
  }

  async #send(request: IncomingMessage, response: ServerResponse, file: WebFile): Promise<void> {
    await using packed = await this.#packed(file, request);
    const { handle, size, version } = packed?.file ?? file;
    const headers = {
      "content-type": contentTypeOf(file.name),
      "cache-control": HASHED_NAME.test(file.name) ? FOREVER : "no-cache",
      etag: `"${version}"`,
      vary: "accept-encoding",
      ...(packed === undefined ? {} : { "content-encoding": packed.encoding }),
    };
    if (sendNotModified(request, response, headers)) return;
    await sendRange(request, response, size, headers, (from, to) => bytesOf(handle, from, to));
  }

  /** The file beside it that has the same contents packed, as far as the peer unpacks it; one that is older than the file is not believed. Ranges are of plain bytes. */
  async #packed(file: WebFile, { headers }: IncomingMessage) {
    if (headers.range !== undefined) return undefined;
    for (const [encoding, suffix] of PACKED) {
      if (!accepts(headers["accept-encoding"], encoding)) continue;
      const found = await this.#open([...file.names.slice(0, -1), file.name + suffix]);
      if (found === undefined) continue;
      if (found.modifiedNs >= file.modifiedNs)
        return { file: found, encoding, [Symbol.asyncDispose]: () => found[Symbol.asyncDispose]() };
      await found[Symbol.asyncDispose]();
    }
    return undefined;
  }

  /** A file by the names on the way to it; undefined when there is none that is a file, and inside the directory. */
  async #open(names: readonly string[]): Promise<WebFile | undefined> {
    let handle: FileHandle;
    try {
      // A named pipe must not make anybody wait.
      handle = await open(join(this.#root, ...names), constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (thrown) {
      if (ABSENT.has((thrown as NodeJS.ErrnoException).code)) return undefined;
      throw thrown;
    }
    const close = () => handle.close();
    try {
      const about = await handle.stat({ bigint: true });
      const place = await readlink(`/proc/self/fd/${handle.fd}`);
      if (!about.isFile() || !place.startsWith(this.#root === "/" ? "/" : `${this.#root}/`))
        return void (await close());
      const { size, ino, ctimeNs, mtimeNs } = about;
      // Not the time of the contents, which may be set to anything: files of a store all have the same.
      const version = `${size.toString(36)}-${ino.toString(36)}-${ctimeNs.toString(36)}`;
      const name = names.at(-1) ?? "";
      return { names, name, handle, size: Number(size), version, modifiedNs: mtimeNs, [Symbol.asyncDispose]: close };
    } catch (thrown) {
      await close();
      throw thrown;
    }
  }
}

/** An open file. */
type WebFile = AsyncDisposable & {
  readonly names: readonly string[];
  readonly name: string;
  readonly handle: FileHandle;
  readonly size: number;
  /** Another whenever the contents may be others. */
  readonly version: string;
  readonly modifiedNs: bigint;
};

/** The names in an address. Throws `not-found` for what no file here can have: ways up, hidden files (but `.well-known`), slashes and zero bytes in names. */
function readAddress(address: string): { readonly names: string[]; readonly isDirectory: boolean } {
  const absent = () => new GatewayError("not-found", "there is nothing here");
  if (!address.startsWith("/") || address.length > ADDRESS_CHARS_MAX) throw absent();
  const names = address.slice(1).split("/").map(decoded);
  const isDirectory = names.at(-1) === "";
  if (isDirectory) names.pop();
  for (const [i, name] of names.entries()) {
    const isHidden = name.startsWith(".") && !(i === 0 && name === ".well-known");
    if (name === "" || isHidden || /[/\\\0]/.test(name)) throw absent();
  }
  return { names, isDirectory };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new GatewayError("bad-request", "the address is not well formed");
  }
}

/** Throws when the file became shorter meanwhile: its length was promised. */
async function* bytesOf(handle: FileHandle, from: number, to: number): ByteStream {
  for (let at = from; at < to; ) {
    const buffer = new Uint8Array(Math.min(READ_BYTES, to - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new GatewayError("not-found", "the file became shorter while it was sent");
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
