/*
Paths as text: making them absolute and canonical, taking them apart. No file is looked at.
*/

import type { ByteString } from "@firn/base";

/** An absolute path without empty, `.` and `..` parts and without a trailing slash; `/..` is `/`. */
export function canonicalPath(path: ByteString): ByteString {
  if (!needsWork(path)) return path;
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function needsWork(path: ByteString): boolean {
  return (
    path === "" ||
    path.charCodeAt(0) !== 47 ||
    path.includes("//") ||
    path.includes("/.") ||
    (path.length > 1 && path.endsWith("/"))
  );
}

/** `path` as seen from the directory `base`, canonical. */
export function resolvePath(base: ByteString, path: ByteString): ByteString {
  return canonicalPath(path.startsWith("/") ? path : `${base}/${path}`);
}

/** All but the last part of an absolute canonical path; of `/` itself. */
export function parentPath(path: ByteString): ByteString {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

/** The last part of an absolute canonical path; empty for `/`. */
export function lastPart(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf("/") + 1);
}
