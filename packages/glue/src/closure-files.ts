/*
Files by absolute path as a builder sees them: the store paths it was given and nothing else. Symlinks are followed wherever they lead, across store
paths too.
*/

import type { ByteString } from "@firn/base";
import { type CallOptions, type CastoreServices, needDirectory, type Node, readBlob } from "@firn/castore";
import { GlueError } from "./error.ts";

/** Links followed before a path counts as leading round in a circle, as on Linux. */
const LINKS_MAX = 40;

/** `path` is absolute and passes through no link. */
export type FoundFile = { readonly path: ByteString; readonly node: Node };

type Place = { readonly name: ByteString; readonly node: Node | "above the store" };

export class ClosureFiles {
  readonly #nodes: ReadonlyMap<ByteString, Node>;
  readonly #storeDir: string;
  readonly #services: CastoreServices;
  readonly #options: CallOptions;

  /** `nodes` by absolute store path. */
  constructor(nodes: ReadonlyMap<ByteString, Node>, storeDir: string, services: CastoreServices, options: CallOptions) {
    this.#nodes = nodes;
    this.#storeDir = storeDir;
    this.#services = services;
    this.#options = options;
  }

  /** What an absolute path leads to, all links followed; undefined for nothing, or something that is no input. */
  async find(path: ByteString): Promise<FoundFile | undefined> {
    const way: Place[] = [];
    const left = path.split("/").reverse();
    let links = 0;
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        way.pop();
        continue;
      }
      const node = await this.#entry(way, name);
      if (node === undefined) return undefined;
      if (node !== "above the store" && node.kind === "symlink") {
        if (++links > LINKS_MAX) return undefined;
        if (node.target.startsWith("/")) way.length = 0;
        left.push(...node.target.split("/").reverse());
      } else way.push({ name, node });
    }
    const node = way.at(-1)?.node;
    return node === undefined || node === "above the store" ? undefined : { path: pathOf(way), node };
  }

  /** Names in the directory at `path`, sorted; undefined when that is none. */
  async names(path: ByteString): Promise<readonly ByteString[] | undefined> {
    const node = (await this.find(path))?.node;
    if (node?.kind !== "directory") return undefined;
    return (await needDirectory(this.#services.directories, node.digest, this.#options)).entries.map(
      ({ name }) => name,
    );
  }

  /** The contents of the file at `path`; undefined when that is none. */
  async read(path: ByteString, bytesMax: number): Promise<Uint8Array | undefined> {
    const node = (await this.find(path))?.node;
    if (node?.kind !== "file") return undefined;
    if (node.size <= bytesMax) return await readBlob(this.#services.blobs, node.digest, bytesMax, this.#options);
    throw new GlueError("build-failed", `'${path}' has ${node.size} bytes, at most ${bytesMax} are read`);
  }

  async #entry(way: readonly Place[], name: ByteString): Promise<Place["node"] | undefined> {
    const parent = way.at(-1)?.node;
    if (parent !== undefined && parent !== "above the store") {
      if (parent.kind !== "directory") return undefined;
      return (await needDirectory(this.#services.directories, parent.digest, this.#options)).get(name);
    }
    const path = `${pathOf(way)}/${name}`;
    return `${this.#storeDir}/`.startsWith(`${path}/`) ? "above the store" : this.#nodes.get(path);
  }
}

function pathOf(way: readonly Place[]): ByteString {
  return way.map(({ name }) => `/${name}`).join("");
}
