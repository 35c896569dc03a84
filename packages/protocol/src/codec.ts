/*
Values and messages as bytes. Most messages go through the Protobuf library. Those that carry bulk do not: a chunk of a blob is a header and the caller's
bytes, not copied, and a Directory is already kept in its encoding, which must not change by a bit.
*/

import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Directory } from "@firn/castore";

/** How one kind of message is written and read. */
export type Codec<T> = {
  /** The encoding in parts to be sent after one another; they are not written to afterwards. */
  readonly encode: (value: T) => readonly Uint8Array[];
  /** What comes out may be views of `bytes`. */
  readonly decode: (bytes: Uint8Array) => T;
};

/** The library's encoding of a message. */
export function messageCodec<Desc extends DescMessage>(
  schema: Desc,
): Codec<MessageShape<Desc>> & { readonly make: (init: MessageInitShape<Desc>) => MessageShape<Desc> } {
  return {
    encode: (message) => [toBinary(schema, message)],
    decode: (bytes) => fromBinary(schema, bytes),
    make: (init) => create(schema, init),
  };
}

const FIELD_1_BYTES = 0x0a;

/** A message whose only field is `bytes data = 1`, as those bytes. */
export const BYTES_CODEC: Codec<Uint8Array> = {
  encode: (data) => (data.length === 0 ? [] : [bytesHeader(data.length), data]),
  decode: (message) => {
    let at = 0;
    let data = message.subarray(0, 0);
    while (at < message.length) {
      if (message[at++] !== FIELD_1_BYTES) throw new RangeError("a field that is not known");
      let length = 0;
      for (let scale = 1; ; scale *= 128) {
        if (at >= message.length || scale > 2 ** 35) throw new RangeError("a length that does not end");
        const byte = message[at++];
        length += (byte & 127) * scale;
        if (byte < 128) break;
      }
      if (length > message.length - at) throw new RangeError("a length beyond the end");
      data = message.subarray(at, at + length); // the last one counts, as everywhere in Protobuf
      at += length;
    }
    return data;
  },
};

function bytesHeader(length: number): Uint8Array {
  const header = [FIELD_1_BYTES];
  let rest = length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) header.push((rest % 128) | 128);
  header.push(rest);
  return Uint8Array.from(header);
}

/** castore.v1.Directory as the model's. Accepts the canonical encoding alone. */
export const DIRECTORY_CODEC: Codec<Directory> = {
  encode: (directory) => [directory.encoded],
  decode: (bytes) => Directory.decode(new Uint8Array(bytes)),
};
