/*
What a NAR holds and where in it, as the JSON that Nix writes beside NARs (`<hash>.ls`): so that one file can be read out of a NAR by its range. Made from
directories alone, as a stream, for trees of any size. Follows listNar and nlohmann's dump: names sorted, nothing between tokens.
*/

import { bytesOf, type ByteString, type ByteStream, throwIfAborted } from "@firn/base";
import { type CallOptions, type DirectoryEntry, type DirectoryService, needDirectory, type Node } from "@firn/castore";
import { NAR_DEPTH_MAX, narLengths } from "@firn/nix-compat";
import { StoreError } from "./error.ts";

const PIECE_CHARS = 32 * 1024;

/** The bytes of the listing; chunks belong to the consumer. Throws `missing`, or `limit` for what no NAR can hold. */
export async function* narListing(root: Node, directories: DirectoryService, options?: CallOptions): ByteStream {
  const open: { readonly entries: readonly DirectoryEntry[]; next: number }[] = [];
  let at = narLengths.magic;
  let text = '{"root":';
  for (let node: Node | undefined = root; ; ) {
    throwIfAborted(options?.signal);
    if (node?.kind === "directory") {
      if (open.length === NAR_DEPTH_MAX)
        throw new StoreError("limit", `a NAR holds directories nested at most ${NAR_DEPTH_MAX} deep`);
      const { entries } = await needDirectory(directories, node.digest, options);
      open.push({ entries, next: 0 });
      at += narLengths.directory - narLengths.close;
      text += '{"entries":{';
    } else if (node?.kind === "symlink") {
      text += `{"target":${quoted(node.target)},"type":"symlink"}`;
      at += narLengths.symlink(node.target);
    } else if (node !== undefined) {
      const narOffset = at + narLengths.fileOpen(node.executable);
      const executable = node.executable ? '"executable":true,' : "";
      text += `{${executable}"narOffset":${narOffset},"size":${node.size},"type":"regular"}`;
      at += narLengths.file(node.size, node.executable);
    }
    // A directory goes on with its entries; anything else was an entry's node, or the root.
    if (node !== undefined && node.kind !== "directory") at += narLengths.close;
    const last = open.at(-1);
    if (last === undefined) break;
    node = undefined;
    if (last.next === last.entries.length) {
      open.pop();
      at += 2 * narLengths.close;
      text += '},"type":"directory"}';
    } else {
      const entry = last.entries[last.next++];
      text += `${last.next > 1 ? "," : ""}${quoted(entry.name)}:`;
      at += narLengths.entry(entry.name) - narLengths.close;
      node = entry.node;
    }
    if (text.length >= PIECE_CHARS) {
      yield bytesOf(text);
      text = "";
    }
  }
  yield bytesOf(`${text},"version":1}`);
}

/** A byte string as JSON has it: bytes that are not ASCII stay as they are. */
function quoted(text: ByteString): string {
  return JSON.stringify(text);
}
