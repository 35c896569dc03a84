/*
Amounts as people write and read them: sizes with units of 1024, ages with days and weeks.
*/

import { CliError } from "./error.ts";

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };
const AGE_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 7 * 86_400 };

/** Bytes of `500M`, `20GiB`, `4096`; undefined when it is no size. */
export function bytesOfSize(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = match === null ? Number.NaN : Math.floor(Number(match[1]) * SIZE_UNITS[match[2].toUpperCase()]);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** The same; `flag` is named in the error. */
export function parseSize(text: string, flag: string): number {
  const bytes = bytesOfSize(text);
  if (bytes !== undefined) return bytes;
  throw new CliError("usage", `${flag} takes a size such as 500M or 20G, got '${text}'`);
}

/** Seconds of `30d`, `12h`, `2w`. */
export function parseAge(text: string, flag: string): number {
  const match = /^(\d{1,6})([smhdw])$/.exec(text);
  if (match !== null) return Number(match[1]) * AGE_UNITS[match[2]];
  throw new CliError("usage", `${flag} takes an age such as 30d, 12h or 2w, got '${text}'`);
}

/** `1 path`, `3 paths`. */
export function printCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
