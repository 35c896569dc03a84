/*
Why two attempts at one recipe came out differently: guesses, from the bytes that differ and from what was different around the attempts. They
are the usual suspects, each with the trace it leaves; what fits none of them has no cause here, and what fits several has several.

Texts are byte strings. What is looked at is a window: the range that differs with some bytes around it, since a date of which one digit
changed is recognised by the others.
*/

import type { ByteString } from "@firn/base";

/** In the order they are told. */
export const DIFFERENCE_CAUSES = ["timestamp", "build-path", "cores", "order", "locale", "random"] as const;
export type DifferenceCause = (typeof DIFFERENCE_CAUSES)[number];

/** What was around an attempt and not part of its recipe, or varied on purpose. */
export type Circumstances = {
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Absolute, as the program saw it. */
  readonly buildDirectory: ByteString;
  /** How many the program was told to use. */
  readonly cores: number;
};

/** A range that differs: bytes [from, to) of `text`, the rest is what stands around it. */
export type Window = { readonly text: ByteString; readonly from: number; readonly to: number };

/** Bytes around a range that are enough for every rule. */
export const WINDOW_BYTES = 64;
/** Clocks of file systems and formats are coarse: two seconds is the coarsest (FAT, zip). */
const CLOCK_SLACK_MS = 2000;
/** A build may write the date of its day, in whatever time zone. */
const DAY_MS = 24 * 3600 * 1000;

const MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
const DATES = new RegExp(
  `\\d{4}[-/.]\\d{1,2}[-/.]\\d{1,2}|\\d{1,2}:\\d{2}(?::\\d{2})?|(?:${MONTHS})[a-z]* +\\d{1,2}\\b|\\d{1,2} (?:${MONTHS})[a-z]*|\\b\\d{9,19}\\b`,
  "g",
);
const RANDOM_WORD = /[0-9A-Za-z_-]{6,}/g;

/** Causes of one range of a file's contents, of a link's target, or of names. `head` is the file's beginning, at least 16 bytes of it where it has them. */
export function causesOfRange(
  left: Window,
  right: Window,
  around: { readonly left: Circumstances; readonly right: Circumstances },
  head: ByteString = "",
): ReadonlySet<DifferenceCause> {
  const causes = new Set<DifferenceCause>();
  if (isTimestamp(left, around.left, head) && isTimestamp(right, around.right, head)) causes.add("timestamp");
  if (namesDirectory(left, around.left) && namesDirectory(right, around.right)) {
    if (around.left.buildDirectory !== around.right.buildDirectory) causes.add("build-path");
  }
  if (around.left.cores !== around.right.cores && isCores(left, around.left) && isCores(right, around.right))
    causes.add("cores");
  if (isLocale(left, right)) causes.add("locale");
  if (causes.size === 0 && isRandom(left, right)) causes.add("random");
  return causes;
}

/** Causes that show only in whole contents: the same lines, or the same texts between NUL bytes, in another order. */
export function causesOfContents(left: ByteString, right: ByteString): ReadonlySet<DifferenceCause> {
  const causes = new Set<DifferenceCause>();
  for (const separator of ["\n", "\0"]) {
    const one = left.split(separator);
    const other = right.split(separator);
    if (one.length < 3 || one.length !== other.length) continue;
    const [sorted, otherSorted] = [one.toSorted(), other.toSorted()];
    if (sorted.some((line, index) => line !== otherSorted[index])) continue;
    const isMoved = one.some((line, index) => line !== other[index]);
    if (isMoved) causes.add("order");
    if (isMoved && (isSortedOnlyOnce(one, other) || isSortedOnlyOnce(other, one))) causes.add("locale");
  }
  return causes;
}

/** One is in the order of bytes and the other in that of a language, which takes letters together whatever their case. */
function isSortedOnlyOnce(bytewise: readonly string[], other: readonly string[]): boolean {
  const folded = (line: string) => line.toLowerCase().replace(/[^a-z0-9]/g, "");
  const isRising = (lines: readonly string[]) => lines.every((line, index) => index === 0 || lines[index - 1] <= line);
  const trimmed = (lines: readonly string[]) => lines.filter((line) => line !== "");
  return isRising(trimmed(bytewise)) && !isRising(trimmed(other)) && isRising(trimmed(other).map(folded));
}

/** Matches of a global expression that reach into the range. */
function* matchesIn({ text, from, to }: Window, pattern: RegExp): Generator<string, void> {
  for (const match of text.matchAll(pattern)) {
    if (match.index < Math.max(to, from + 1) && match.index + match[0].length > from) yield match[0];
  }
}

function isTimestamp(window: Window, { startedAtMs, endedAtMs }: Circumstances, head: ByteString): boolean {
  for (const found of matchesIn(window, DATES)) {
    if (!/^\d{9,}$/.test(found)) return true;
    // Seconds, milli-, micro- or nanoseconds since 1970.
    const ms = Number(found.slice(0, 10)) * 1000;
    if (ms >= startedAtMs - DAY_MS && ms <= endedAtMs + DAY_MS) return true;
  }
  return (
    isBinaryTime(window, startedAtMs, endedAtMs) || (head.startsWith("PK\x03\x04") && isDosTime(window, startedAtMs))
  );
}

/** A 32-bit number of seconds since 1970, of either byte order, that overlaps the range and lies within the attempt (gzip, ar and tar in binary, PE, Python). */
function isBinaryTime({ text, from, to }: Window, startedAtMs: number, endedAtMs: number): boolean {
  for (let at = Math.max(0, from - 3); at < Math.max(to, from + 1) && at + 4 <= text.length; at++) {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
    ]) {
      const seconds = order.reduce((sum, place) => sum * 256 + text.charCodeAt(at + place), 0);
      const ms = seconds * 1000;
      if (ms >= startedAtMs - CLOCK_SLACK_MS && ms <= endedAtMs + CLOCK_SLACK_MS) return true;
    }
  }
  return false;
}

/** The time and date of a zip's entry, whose date is the attempt's day in some time zone. */
function isDosTime({ text, from, to }: Window, startedAtMs: number): boolean {
  for (let at = Math.max(0, from - 3); at < Math.max(to, from + 1) && at + 4 <= text.length; at++) {
    const date = text.charCodeAt(at + 2) + text.charCodeAt(at + 3) * 256;
    const day = Date.UTC(1980 + (date >> 9), ((date >> 5) & 15) - 1, date & 31);
    if (Math.abs(day - startedAtMs) < 2 * DAY_MS) return true;
  }
  return false;
}

function namesDirectory({ text, from, to }: Window, { buildDirectory }: Circumstances): boolean {
  for (let at = text.indexOf(buildDirectory); at >= 0; at = text.indexOf(buildDirectory, at + 1)) {
    if (at < Math.max(to, from + 1) && at + buildDirectory.length >= from) return true;
  }
  return false;
}

function isCores(window: Window, { cores }: Circumstances): boolean {
  for (const found of matchesIn(window, /\d+/g)) if (Number(found) === cores) return true;
  return false;
}

/** A decimal point against a comma, or a character of a larger set against a plain one. */
function isLocale(left: Window, right: Window): boolean {
  const [a, b] = [left, right].map(({ text, from, to }) => text.slice(from, to));
  const around = (window: Window) =>
    /\d/.test(window.text[window.from - 1] ?? "") && /\d/.test(window.text[window.to] ?? "");
  if ((a === "." && b === ",") || (a === "," && b === ".")) return around(left) && around(right);
  const isUtf8 = (text: string) => /[\xc2-\xf4][\x80-\xbf]/.test(text) && !/[\0-\x08]/.test(text);
  const isPlain = (text: string) => /^[\t\n\x20-\x7e]*$/.test(text);
  return (isUtf8(a) && isPlain(b)) || (isPlain(a) && isUtf8(b));
}

/** Words as long as each other that have nothing to do with each other: names of temporary files, UUIDs, hashes. */
function isRandom(left: Window, right: Window): boolean {
  const words = (window: Window) => [...matchesIn(window, RANDOM_WORD)];
  const [one, other] = [words(left), words(right)];
  return (
    one.length > 0 && one.length === other.length && one.every((word, index) => word.length === other[index].length)
  );
}
