/*
PathInfo and its messages: store.v1's, and Firn's around it, which has place for what the other one lacks (when a path was registered, Firn's own signatures,
content addresses by git, derivers of any name).
*/

import type { MessageInitShape } from "@bufbuild/protobuf";
import { FirnError, messageOf } from "@firn/base";
import { fromNixBase32, type HashAlgorithm, toNixBase32 } from "@firn/hash";
import {
  type ContentAddress,
  type ContentAddressMethod,
  parseContentAddress,
  parseStorePath,
  printContentAddress,
  StorePath,
} from "@firn/nix-compat";
import { checkPathInfo, type PathInfo, type PathSignature, sortedReferences } from "@firn/store";
import { ProtocolError } from "./error.ts";
import type { PathInfo as FirnPathInfoMessage, PathInfoSchema as FirnSchema } from "./gen/firn/store/v1/store_pb.ts";
import { NARInfo_CA_Hash as Hash } from "./gen/snix/store/v1/store_pb.ts";
import type {
  NARInfo,
  NARInfo_CA,
  NARInfo_CASchema,
  PathInfo as PathInfoMessage,
  PathInfoSchema,
} from "./gen/snix/store/v1/store_pb.ts";
import { messageOfNode, nodeOfMessage, numberOfMessage } from "./node-message.ts";

/** Bytes of a store path's hash part. */
export const HASH_PART_BYTES = 20;
const DRV = ".drv";

const CA_TYPES: readonly (readonly [type: Hash, method: ContentAddressMethod, algorithm: HashAlgorithm])[] = [
  [Hash.NAR_SHA256, "nar", "sha256"],
  [Hash.NAR_SHA1, "nar", "sha1"],
  [Hash.NAR_SHA512, "nar", "sha512"],
  [Hash.NAR_MD5, "nar", "md5"],
  [Hash.TEXT_SHA256, "text", "sha256"],
  [Hash.FLAT_SHA1, "flat", "sha1"],
  [Hash.FLAT_MD5, "flat", "md5"],
  [Hash.FLAT_SHA256, "flat", "sha256"],
  [Hash.FLAT_SHA512, "flat", "sha512"],
];

/** The 20 bytes of a hash part. */
export function bytesOfHashPart(hashPart: string): Uint8Array {
  const bytes = fromNixBase32(hashPart);
  if (bytes?.length === HASH_PART_BYTES) return bytes;
  throw new ProtocolError("invalid-argument", "a hash part has 32 characters of Nix's base 32");
}

/** The hash part of 20 bytes. Throws `invalid-argument`. */
export function hashPartOfBytes(bytes: Uint8Array): string {
  if (bytes.length === HASH_PART_BYTES) return toNixBase32(bytes);
  throw new ProtocolError("invalid-argument", `a hash part has ${HASH_PART_BYTES} bytes, this one ${bytes.length}`);
}

/** The store path of a base name. Throws `invalid-argument`. */
export function storePathOfText(text: string): StorePath {
  try {
    return parseStorePath(text);
  } catch (thrown) {
    throw new ProtocolError("invalid-argument", messageOf(thrown), { cause: thrown });
  }
}

/** store.v1's message. What it has no place for is left out. */
export function messageOfPathInfo(info: PathInfo): MessageInitShape<typeof PathInfoSchema> {
  const { path, references, deriver, contentAddress } = info;
  const ca = contentAddress && caOf(contentAddress);
  return {
    entry: messageOfNode(info.node, path.toString()),
    references: references.map(({ hashPart }) => bytesOfHashPart(hashPart)),
    narinfo: {
      narSize: BigInt(info.narSize),
      narSha256: info.narSha256,
      signatures: signaturesOf(info, undefined),
      referenceNames: references.map(String),
      deriver: deriver && { name: deriver.name.slice(0, -DRV.length), digest: bytesOfHashPart(deriver.hashPart) },
      ca,
    },
  };
}

/** Firn's message, which loses nothing. */
export function firnMessageOfPathInfo(info: PathInfo): MessageInitShape<typeof FirnSchema> {
  const { contentAddress } = info;
  return {
    info: messageOfPathInfo(info),
    registeredAt: BigInt(info.registeredAt),
    firnSignatures: signaturesOf(info, "firn"),
    contentAddress:
      contentAddress !== undefined && caOf(contentAddress) === undefined ? printContentAddress(contentAddress) : "",
  };
}

function signaturesOf({ signatures }: PathInfo, scheme: PathSignature["scheme"]) {
  return signatures
    .filter((one) => one.scheme === scheme)
    .map(({ keyName, bytes }) => ({ name: keyName, data: bytes }));
}

function caOf({ method, hash }: ContentAddress): MessageInitShape<typeof NARInfo_CASchema> | undefined {
  const row = CA_TYPES.find(([, of, algorithm]) => of === method && algorithm === hash.algorithm);
  return row && { type: row[0], digest: hash.bytes };
}

/** What store.v1's message says, checked; `registeredAt` in seconds. Throws `invalid-argument`, or a rule's code of store's. */
export function pathInfoOfMessage(message: PathInfoMessage, registeredAt: number): PathInfo {
  return checked(() => {
    const { narinfo } = message;
    if (narinfo === undefined) throw new ProtocolError("invalid-argument", "a path info comes without narinfo");
    const { name, node } = nodeOfMessage(message.entry);
    return {
      path: parseStorePath(name),
      node,
      narSha256: narinfo.narSha256,
      narSize: numberOfMessage(narinfo.narSize, "a NAR size"),
      references: referencesOf(message, narinfo),
      deriver: narinfo.deriver && deriverOf(narinfo.deriver),
      contentAddress: narinfo.ca && contentAddressOf(narinfo.ca),
      signatures: narinfo.signatures.map((one) => ({ keyName: one.name, bytes: one.data })),
      registeredAt,
    };
  });
}

/** What Firn's message says, checked. */
export function pathInfoOfFirnMessage(message: FirnPathInfoMessage | undefined): PathInfo {
  if (message?.info === undefined) throw new ProtocolError("invalid-argument", "a message comes without its path info");
  const info = pathInfoOfMessage(message.info, numberOfMessage(message.registeredAt, "a time"));
  const firn = message.firnSignatures.map(
    ({ name, data }) => ({ keyName: name, bytes: data, scheme: "firn" }) as const,
  );
  const contentAddress =
    message.contentAddress === ""
      ? info.contentAddress
      : checked(() => ({ ...info, contentAddress: parseContentAddress(message.contentAddress) })).contentAddress;
  return checked(() => ({ ...info, contentAddress, signatures: [...info.signatures, ...firn] }));
}

/** What `read` makes, when it keeps the rules; what is wrong with a message is the sender's fault. */
function checked(read: () => PathInfo): PathInfo {
  try {
    const info = read();
    checkPathInfo(info);
    return info;
  } catch (thrown) {
    if (!(thrown instanceof FirnError) || thrown instanceof ProtocolError || thrown.name === "StoreError") throw thrown;
    throw new ProtocolError("invalid-argument", thrown.message, { cause: thrown });
  }
}

function referencesOf({ references }: PathInfoMessage, { referenceNames }: NARInfo): readonly StorePath[] {
  if (references.length !== referenceNames.length)
    throw new ProtocolError("invalid-argument", `${references.length} references have ${referenceNames.length} names`);
  const paths = referenceNames.map((name, i) => {
    const path = parseStorePath(name);
    if (hashPartOfBytes(references[i]) !== path.hashPart)
      throw new ProtocolError("invalid-argument", `the reference ${name} has another digest`);
    return path;
  });
  return sortedReferences(paths);
}

function deriverOf({ name, digest }: { readonly name: string; readonly digest: Uint8Array }): StorePath {
  return new StorePath(hashPartOfBytes(digest), `${name}${DRV}`);
}

function contentAddressOf({ type, digest }: NARInfo_CA): ContentAddress {
  const row = CA_TYPES.find(([of]) => of === type);
  if (row === undefined) throw new ProtocolError("invalid-argument", `a content address of unknown type ${type}`);
  const [, method, algorithm] = row;
  // Parsed as text, which checks that the digest has the algorithm's length.
  const address: ContentAddress = { method, hash: { algorithm, bytes: digest } };
  return parseContentAddress(printContentAddress(address));
}
