/*
castore nodes and the message that carries one, named or not: an Entry (a Node, in the other dialect; the bytes are the same).
*/

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ByteString, byteStringOf, bytesOf } from "@firn/base";
import { bytesOfDigest, checkNode, type Node } from "@firn/castore";
import { digestOfRequest } from "./digest-list.ts";
import { ProtocolError } from "./error.ts";
import type { Entry, EntrySchema } from "./gen/snix/castore/v1/castore_pb.ts";

/** The message of a node; `name` is empty where the place has none. */
export function messageOfNode(node: Node, name: ByteString): MessageInitShape<typeof EntrySchema> {
  const named = bytesOf(name);
  switch (node.kind) {
    case "symlink":
      return { entry: { case: "symlink", value: { name: named, target: bytesOf(node.target) } } };
    case "file": {
      const { digest, size, executable } = node;
      return {
        entry: { case: "file", value: { name: named, digest: bytesOfDigest(digest), size: BigInt(size), executable } },
      };
    }
    case "directory": {
      const { digest, size } = node;
      return {
        entry: { case: "directory", value: { name: named, digest: bytesOfDigest(digest), size: BigInt(size) } },
      };
    }
  }
}

/** The node of a message and its name. Throws `invalid-argument`, or a rule's code of castore's. */
export function nodeOfMessage(message: Entry | undefined): { readonly name: ByteString; readonly node: Node } {
  const entry = message?.entry;
  if (entry?.case === undefined)
    throw new ProtocolError("invalid-argument", "an entry is neither directory, file nor symlink");
  const node = nodeOfEntry(entry);
  checkNode(node);
  return { name: byteStringOf(entry.value.name), node };
}

function nodeOfEntry(entry: Exclude<Entry["entry"], { case: undefined }>): Node {
  switch (entry.case) {
    case "symlink":
      return { kind: "symlink", target: byteStringOf(entry.value.target) };
    case "file": {
      const { digest, size, executable } = entry.value;
      return { kind: "file", digest: digestOfRequest(digest), size: numberOfMessage(size, "a size"), executable };
    }
    case "directory": {
      const { digest, size } = entry.value;
      return { kind: "directory", digest: digestOfRequest(digest), size: numberOfMessage(size, "a size") };
    }
  }
}

/** A number for a field that may be absent. */
export function bigOfNumber(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(Math.round(value));
}

/** What such a field says. Throws `out-of-range`. */
export function numberOfBig(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : numberOfMessage(value, "a number");
}

/** A uint64 that has to be a number. Throws `out-of-range` above 2^53-1. */
export function numberOfMessage(value: bigint, what: string): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new ProtocolError("out-of-range", `${what} of ${value} is above 2^53-1`);
}
