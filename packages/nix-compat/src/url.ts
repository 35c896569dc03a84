/*
Addresses as Nix reads and writes them: RFC 3986, with spaces and quotes allowed in queries and fragments. Parts are kept decoded and encoded
anew when printed, so printing also normalises. Follows libutil/url.cc of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";

export type NixUrl = {
  readonly scheme: string;
  /** What stands behind `//`; undefined when that is not there, which is not the same as nothing. */
  readonly authority: UrlAuthority | undefined;
  /** Decoded segments; an absolute path begins with an empty one. */
  readonly path: readonly ByteString[];
  /** Decoded; printed in bytewise order. */
  readonly query: ReadonlyMap<ByteString, ByteString>;
  readonly fragment: ByteString;
};

export type UrlAuthority = {
  readonly user?: ByteString;
  readonly password?: ByteString;
  /** An IPv6 address stands in brackets. */
  readonly host: ByteString;
  readonly port?: number;
};

/** Longest address that is read, in bytes. */
const URL_BYTES_MAX = 64 * 1024;
const PARTS = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const AUTHORITY = /^(?:([^@:]*)(?::([^@]*))?@)?(\[[0-9A-Fa-f:.%]+\]|[^:@[\]]*)(?::([0-9]*))?$/;
const PATH_CHARS = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
const REST_CHARS = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/? "^]|%[0-9A-Fa-f]{2})*$/;

/** What is before and behind the `+` of a scheme such as `git+https`. */
export function splitScheme(scheme: string): { readonly application: string | undefined; readonly transport: string } {
  const plus = scheme.indexOf("+");
  return plus < 0
    ? { application: undefined, transport: scheme }
    : { application: scheme.slice(0, plus), transport: scheme.slice(plus + 1) };
}

/** Reads an address. Throws `invalid-url`. */
export function parseUrl(text: ByteString): NixUrl {
  if (text.length > URL_BYTES_MAX) throw new NixCompatError("limit", `a URL is longer than ${URL_BYTES_MAX} bytes`);
  const match = PARTS.exec(text);
  if (match === null) throw invalid(`'${text}' doesn't have a scheme`);
  const [, scheme, authorityText, pathText, queryText = "", fragmentText = ""] = match;
  if (!PATH_CHARS.test(pathText) || !REST_CHARS.test(queryText) || !REST_CHARS.test(fragmentText))
    throw invalid(`'${text}' is not a valid URL: it holds a character that has to be encoded`);
  const authority = authorityText === undefined ? undefined : parseAuthority(authorityText);
  const isFile = splitScheme(scheme).transport === "file";
  if (isFile && authority !== undefined && authority.host !== "")
    throw invalid(`file:// URL '${text}' has unexpected authority '${authorityText}'`);
  const path = (isFile && pathText === "" ? "/" : pathText).split("/").map(percentDecode);
  return { scheme, authority, path, query: decodeQuery(queryText), fragment: percentDecode(fragmentText) };
}

function parseAuthority(text: ByteString): UrlAuthority {
  const match = AUTHORITY.exec(text);
  if (match === null) throw invalid(`invalid URL authority: '${text}'`);
  const [, user, password, host, portText = ""] = match;
  const port = Number(portText);
  if (port > 0xffff) throw invalid(`port '${portText}' is invalid`);
  return {
    ...(user === undefined ? {} : { user: percentDecode(user) }),
    ...(password === undefined ? {} : { password: percentDecode(password) }),
    host: percentDecode(host),
    ...(portText === "" ? {} : { port }),
  };
}

/** Parameters of a query; one without an equals sign is left out, and of several of one name the first counts. */
export function decodeQuery(text: ByteString): Map<ByteString, ByteString> {
  const query = new Map<ByteString, ByteString>();
  for (const part of text === "" ? [] : text.split("&")) {
    const equals = part.indexOf("=");
    if (equals < 0) continue;
    const name = percentDecode(part.slice(0, equals));
    if (!query.has(name)) query.set(name, percentDecode(part.slice(equals + 1)));
  }
  return query;
}

export function percentDecode(text: ByteString): ByteString {
  const decoded = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw invalid(`invalid URI parameter '${text}': a percent sign stands alone`);
  return decoded;
}

/** Everything but letters, digits, `-._~` and what is in `keep` is encoded. */
function percentEncode(text: ByteString, keep = ""): string {
  return text.replace(/[^A-Za-z0-9\-._~]/g, (char) =>
    keep.includes(char) ? char : `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

export function printUrl({ scheme, authority, path, query, fragment }: NixUrl): string {
  let text = `${scheme}:`;
  if (authority !== undefined) text += `//${printAuthority(authority)}`;
  text += path.map((segment) => percentEncode(segment, ":@")).join("/");
  const parameters = [...query.keys()].sort().map((name) => {
    return `${percentEncode(name, ":@/?")}=${percentEncode(query.get(name) as string, ":@/?")}`;
  });
  if (parameters.length > 0) text += `?${parameters.join("&")}`;
  return fragment === "" ? text : `${text}#${percentEncode(fragment)}`;
}

function printAuthority({ user, password, host, port }: UrlAuthority): string {
  const secret = password === undefined ? "" : `:${percentEncode(password)}`;
  const who = user === undefined ? "" : `${percentEncode(user)}${secret}@`;
  const where = host.startsWith("[") ? `[${percentEncode(host.slice(1, -1), ":")}]` : percentEncode(host);
  return `${who}${where}${port === undefined ? "" : `:${port}`}`;
}

/** A path of files as segments. */
export function segmentsOfPath(path: ByteString): ByteString[] {
  const names = path.split("/").filter((name) => name !== "");
  if (path.startsWith("/")) names.unshift("");
  if (path.endsWith("/")) names.push("");
  return names;
}

/** Segments as a path of files. Throws `invalid-url` for segments that no file name can be. */
export function pathOfSegments(segments: readonly ByteString[]): ByteString {
  for (const segment of segments) {
    if (segment.includes("/") || segment.includes("\0"))
      throw invalid(`URL path component '${segment}' contains a character that is not allowed in file names`);
  }
  return segments.join("/").replace(/\/{2,}/g, "/");
}

function invalid(message: string): NixCompatError {
  return new NixCompatError("invalid-url", message);
}
