/* Writing a word of a POSIX shell script. Any byte but NUL is kept. */

import type { ByteString } from "@firn/base";

/** The word that sh reads as `text`. */
export function shellQuote(text: ByteString): ByteString {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The words, quoted, with spaces between. */
export function shellWords(words: readonly ByteString[]): ByteString {
  return words.map(shellQuote).join(" ");
}
