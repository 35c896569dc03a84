/* Writing a word of a POSIX shell script. Any character but NUL is kept. */

/** The word that sh reads as `text`. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
