/* Bodies from outside: no longer than they may be, and read to their end where nobody wants them. */

import type { ByteStream } from "@firn/base";
import { GatewayError } from "./error.ts";

/** A body as it comes; throws `too-large` as soon as it is longer than `bytesMax`. */
export async function* limited(body: ByteStream, bytesMax: number): ByteStream {
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > bytesMax) throw tooLarge(bytesMax);
    yield chunk;
  }
}

export function tooLarge(bytesMax: number): GatewayError {
  return new GatewayError("too-large", `more than ${bytesMax} bytes came`);
}

/** Reads a body and forgets it. */
export async function discard(body: ByteStream): Promise<void> {
  for await (const _ of body) {
    // whoever sends it goes on after it
  }
}
