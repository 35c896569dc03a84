/*
Where debuggers find debug information by build id: a cache says under `debuginfo/<build id>.debug` in which NAR it is, and where in it.

Follows BinaryCacheStore::addToStoreCommon with `index-debug-info`: files of 38 hexadecimal digits in directories of two, below lib/debug/.build-id.
*/

import { bytesOf } from "@firn/base";
import { type CallOptions, type DirectoryService, lookup, needDirectory, type Node } from "@firn/castore";

/** Where in an output such files are. */
const BUILD_IDS = "lib/debug/.build-id";

export type DebugFile = {
  /** 40 hexadecimal digits. */
  readonly buildId: string;
  /** Path below the root. */
  readonly member: string;
};

/** The files with debug information in a tree. Throws `missing` when a directory of it is not stored. */
export async function debugFiles(
  root: Node,
  directories: DirectoryService,
  options?: CallOptions,
): Promise<readonly DebugFile[]> {
  const found: DebugFile[] = [];
  const top = await lookup({ directories }, root, BUILD_IDS, options);
  if (top?.kind !== "directory") return found;
  for (const { name: begin, node } of (await needDirectory(directories, top.digest, options)).entries) {
    if (node.kind !== "directory" || !/^[0-9a-f]{2}$/.test(begin)) continue;
    for (const { name, node: file } of (await needDirectory(directories, node.digest, options)).entries) {
      const [, end] = /^([0-9a-f]{38})\.debug$/.exec(name) ?? [];
      if (file.kind === "file" && end !== undefined)
        found.push({ buildId: begin + end, member: `${BUILD_IDS}/${begin}/${name}` });
    }
  }
  return found;
}

/** The file's name in a cache. */
export function debugInfoName(buildId: string): string {
  return `debuginfo/${buildId}.debug`;
}

/** What the file says. `narUrl` is the NAR's address, relative to the cache. */
export function printDebugInfo({ member }: DebugFile, narUrl: string): Uint8Array {
  return bytesOf(JSON.stringify({ archive: `../${narUrl}`, member }));
}
