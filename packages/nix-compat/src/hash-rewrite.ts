/*
Hash parts in a stream replaced by others, which is how contents that were made under one store path come to speak of another: both are 32
characters, so nothing moves. Follows RewritingSink.
*/

import { assert, type ByteStream, bytesOf } from "@firn/base";

/**
 * The stream with each occurrence of a key replaced by its value, which has the same length. All keys have one length; occurrences that
 * overlap are found left to right. `onFound` gets the offset of each, ascending where there is one key. The chunks belong to the consumer.
 */
export async function* replaceHashParts(
  stream: ByteStream,
  replacements: ReadonlyMap<string, string>,
  onFound?: (at: number) => void,
): ByteStream {
  const pairs = Array.from(replacements, ([from, to]) => ({ from: bytesOf(from), to: bytesOf(to) }));
  const length = pairs[0]?.from.length ?? 1;
  assert(
    pairs.every(({ from, to }) => from.length === length && to.length === length),
    "hash parts and what replaces them have one length",
  );
  let held = new Uint8Array(0);
  let base = 0;
  for await (const chunk of stream) {
    const window = new Uint8Array(held.length + chunk.length);
    window.set(held);
    window.set(chunk, held.length);
    // An occurrence may begin in the last bytes and end in the next chunk.
    let sure = Math.max(0, window.length - length + 1);
    for (const { from, to } of pairs) {
      for (let at = indexOf(window, from, 0); at >= 0; at = indexOf(window, from, at + length)) {
        window.set(to, at);
        onFound?.(base + at);
        sure = Math.max(sure, at + length);
      }
    }
    held = window.slice(sure);
    base += sure;
    yield window.subarray(0, sure);
  }
  yield held;
}

function indexOf(bytes: Uint8Array, needle: Uint8Array, from: number): number {
  const [first] = needle;
  for (
    let at = bytes.indexOf(first, from);
    at >= 0 && at + needle.length <= bytes.length;
    at = bytes.indexOf(first, at + 1)
  ) {
    let length = 1;
    while (length < needle.length && bytes[at + length] === needle[length]) length++;
    if (length === needle.length) return at;
  }
  return -1;
}
