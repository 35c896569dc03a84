/*
Addresses of git repositories: URLs, absolute paths, and `user@host:path` as ssh has it. Follows fixGitURL of C++ Nix.

DEVIATION: an IPv6 address in brackets is taken in URLs only.
*/

import type { ByteString } from "@firn/base";
import { NixCompatError } from "./error.ts";
import { type NixUrl, parseUrl, segmentsOfPath, splitScheme } from "./url.ts";

const GIT_SCHEMES = new Set(["ssh", "http", "https", "file", "ftp", "ftps", "git"]);

/** The address as a URL without `git+`. Throws `invalid-url`. */
export function gitUrl(text: ByteString): NixUrl {
  if (text.startsWith("/"))
    return { scheme: "file", authority: { host: "" }, path: segmentsOfPath(text), query: new Map(), fragment: "" };
  const ssh = sshUrl(text);
  if (ssh !== undefined) return ssh;
  const url = parseUrl(text);
  const { application, transport } = splitScheme(url.scheme);
  return application === "git" ? { ...url, scheme: transport } : url;
}

/** `user@host:path`, made absolute; undefined when it is something else. */
function sshUrl(text: ByteString): NixUrl | undefined {
  const colon = text.indexOf(":");
  const before = text.slice(0, colon);
  if (colon < 0 || text.includes("://") || before.includes("/") || text.includes("[")) return undefined;
  if (GIT_SCHEMES.has(before.replace(/^git\+/, ""))) return undefined;
  const path = text.slice(colon + 1).split("/");
  if (text.length === colon + 1)
    throw new NixCompatError("invalid-url", `SCP-style Git URL '${text}' has an empty path`);
  if (path[0] !== "") path.unshift("");
  const at = before.indexOf("@");
  const authority = at < 0 ? { host: before } : { user: before.slice(0, at), host: before.slice(at + 1) };
  return { scheme: "ssh", authority, path, query: new Map(), fragment: "" };
}
