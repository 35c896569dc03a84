/*
A PathInfo as bytes for storage: one line of JSON with fixed keys in a fixed order, beginning with its version. JSON because
path infos are few and small, and a person with a hex dump of a broken store can read them. It is not an exchange format.

    {"v":1,"path":"<base name>","node":["d",digest,size] | ["f",digest,size,0|1] | ["l",target],"narSha256":hex,"narSize":n,
     "references":["<base name>", ...],"deriver":"...","ca":"fixed:...","signatures":["key:base64", ...],"registeredAt":seconds}

`deriver` and `ca` are left out when absent; signatures of Firn's scheme begin with `firn `. A symlink's target is a byte string, so its chars are below 256.
*/

import { fromBase64, fromHex, toBase64, toHex } from "@firn/hash";
import type { Digest, Node } from "@firn/castore";
import { messageOf } from "@firn/base";
import { parseContentAddress, parseStorePath, printContentAddress } from "@firn/nix-compat";
import { StoreError } from "./error.ts";
import type { PathInfo, PathSignature } from "./path-info.ts";
import { checkPathInfo } from "./path-info-rules.ts";

const VERSION = 1;
/** Longest encoding that is read, in bytes. */
export const PATH_INFO_BYTES_MAX = 32 * 1024 * 1024;

/** Stands before a signature of Firn's own; names of keys hold no space. */
const FIRN_MARK = "firn ";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A node in a record: what it is, its digest or target, its size, whether it is executable. */
export type NodeRecord =
  | readonly ["d", string, number]
  | readonly ["f", string, number, 0 | 1]
  | readonly ["l", string];

type PathInfoRecord = {
  readonly v: number;
  readonly path: string;
  readonly node: NodeRecord;
  readonly narSha256: string;
  readonly narSize: number;
  readonly references: readonly string[];
  readonly deriver?: string;
  readonly ca?: string;
  readonly signatures: readonly string[];
  readonly registeredAt: number;
};

/** Encodes a PathInfo that keeps the rules. */
export function encodePathInfo(info: PathInfo): Uint8Array {
  const record: PathInfoRecord = {
    v: VERSION,
    path: info.path.toString(),
    node: recordOfNode(info.node),
    narSha256: toHex(info.narSha256),
    narSize: info.narSize,
    references: info.references.map(String),
    deriver: info.deriver?.toString(),
    ca: info.contentAddress && printContentAddress(info.contentAddress),
    signatures: info.signatures.map(
      ({ keyName, bytes, scheme }) => `${scheme === "firn" ? FIRN_MARK : ""}${keyName}:${toBase64(bytes)}`,
    ),
    registeredAt: info.registeredAt,
  };
  return encoder.encode(JSON.stringify(record));
}

/** Decodes and checks. Throws `malformed` for bytes of no or another version, or a rule's code. The buffer stays the caller's. */
export function decodePathInfo(bytes: Uint8Array): PathInfo {
  if (bytes.length > PATH_INFO_BYTES_MAX) {
    throw new StoreError(
      "limit",
      `an encoded path info has ${bytes.length} bytes, at most ${PATH_INFO_BYTES_MAX} are read`,
    );
  }
  let info: PathInfo;
  try {
    info = pathInfoOf(JSON.parse(decoder.decode(bytes)) as PathInfoRecord);
  } catch (thrown) {
    if (thrown instanceof StoreError) throw thrown;
    throw new StoreError("malformed", `not an encoded path info: ${messageOf(thrown)}`, { cause: thrown });
  }
  checkPathInfo(info);
  return info;
}

function pathInfoOf(record: PathInfoRecord): PathInfo {
  if (record.v !== VERSION) {
    throw new StoreError("malformed", `a path info of version ${record.v}, only ${VERSION} is known`);
  }
  return {
    path: parseStorePath(record.path),
    node: nodeOf(record.node),
    narSha256: need(fromHex(record.narSha256)),
    narSize: record.narSize,
    references: record.references.map(parseStorePath),
    deriver: record.deriver === undefined ? undefined : parseStorePath(record.deriver),
    contentAddress: record.ca === undefined ? undefined : parseContentAddress(record.ca),
    signatures: record.signatures.map(signatureOf),
    registeredAt: record.registeredAt,
  };
}

export function recordOfNode(node: Node): NodeRecord {
  if (node.kind === "symlink") return ["l", node.target];
  if (node.kind === "directory") return ["d", node.digest, node.size];
  return ["f", node.digest, node.size, node.executable ? 1 : 0];
}

function nodeOf(record: NodeRecord): Node {
  switch (record[0]) {
    case "d":
      return { kind: "directory", digest: record[1] as Digest, size: record[2] };
    case "f":
      return { kind: "file", digest: record[1] as Digest, size: record[2], executable: record[3] === 1 };
    case "l":
      return { kind: "symlink", target: record[1] };
    default:
      throw new StoreError("malformed", "a path info with a node of unknown kind");
  }
}

function signatureOf(text: string): PathSignature {
  if (text.startsWith(FIRN_MARK)) return { ...signatureOf(text.slice(FIRN_MARK.length)), scheme: "firn" };
  const colon = text.indexOf(":");
  return { keyName: text.slice(0, colon), bytes: need(fromBase64(text.slice(colon + 1))) };
}

function need(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new StoreError("malformed", "a path info with bytes that do not decode");
  return bytes;
}
