/*
Flake references: where a source tree comes from, as a URL or a bare path, and as attributes. Each kind of source is a scheme that says how its
URLs look and which attributes it has; nothing is fetched here. Follows parseFlakeRef (libflake/flakeref.cc) and the input schemes of
C++ Nix (libfetchers).
*/

import type { ByteString } from "@firn/base";
import { HashError, parseHash, printHash } from "@firn/hash";
import { NixCompatError } from "./error.ts";
import { isGitRefName, REVISION } from "./git-names.ts";
import { gitUrl } from "./git-url.ts";
import {
  decodeQuery,
  type NixUrl,
  parseUrl,
  pathOfSegments,
  percentDecode,
  printUrl,
  segmentsOfPath,
  splitScheme,
} from "./url.ts";

export type FlakeAttribute = ByteString | number | boolean;
/** Attributes by name; `type` names the scheme, `dir` the directory of the flake in its tree. */
export type FlakeAttributes = ReadonlyMap<ByteString, FlakeAttribute>;

type Scheme = {
  /** Attributes there may be, besides `type`. */
  readonly allowed: readonly string[];
  /** The attributes of a URL; undefined when it is none of this scheme. */
  readonly fromUrl: (url: NixUrl) => Map<ByteString, FlakeAttribute> | undefined;
  /** The attributes, after checking them. */
  readonly check: (attributes: FlakeAttributes) => FlakeAttributes;
  readonly toUrl: (attributes: FlakeAttributes) => NixUrl;
};

const FLAKE_ID = /^[a-zA-Z][a-zA-Z0-9_-]*$/;
const REF = "[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*";
const FLAKE_ID_REF = new RegExp(
  `^([a-zA-Z][a-zA-Z0-9_-]*(?:/(?:[0-9a-fA-F]{40}|${REF}(?:/[0-9a-fA-F]{40})?))?)(?:#((?:[a-zA-Z0-9-._~!$&'"()*+,;=:@/? ^]|%[0-9a-fA-F]{2})*))?$`,
);
const PATH_REF = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;
const NO_QUERY: ReadonlyMap<string, string> = new Map();

/** Reads a reference. Throws `invalid-url` or `invalid-flake-ref`. */
export function parseFlakeRef(text: ByteString): FlakeAttributes {
  const { attributes, fragment } = parseWithFragment(text);
  if (fragment === "") return attributes;
  throw wrong(`unexpected fragment '${fragment}' in flake reference '${text}'`);
}

type Parsed = { readonly attributes: FlakeAttributes; readonly fragment: ByteString };

function parseWithFragment(text: ByteString): Parsed {
  const id = FLAKE_ID_REF.exec(text);
  if (id !== null) {
    const path = id[1].split("/");
    const url: NixUrl = { scheme: "flake", authority: undefined, path, query: NO_QUERY, fragment: "" };
    return { attributes: fromUrl(url), fragment: percentDecode(id[2] ?? "") };
  }
  try {
    return fromReferenceUrl(parseUrl(text));
  } catch (thrown) {
    // What is no URL may be a path.
    if (!(thrown instanceof NixCompatError) || thrown.code !== "invalid-url") throw thrown;
  }
  const match = PATH_REF.exec(text);
  if (match === null) throw wrong(`invalid flakeref '${text}'`);
  const [, path, query = "", fragment = ""] = match;
  if (!path.startsWith("/"))
    throw new NixCompatError("invalid-url", `flake reference '${text}' is not an absolute path`);
  return fromReferenceUrl({
    scheme: "path",
    authority: { host: "" },
    path: segmentsOfPath(path),
    query: decodeQuery(query),
    fragment: percentDecode(fragment),
  });
}

/** `dir` is the reference's own, not the source's. */
function fromReferenceUrl(url: NixUrl): Parsed {
  const query = new Map(url.query);
  const dir = query.get("dir") ?? "";
  query.delete("dir");
  const attributes = new Map(fromUrl({ ...url, query, fragment: "" }));
  if (dir !== "" && !attributes.has("dir")) attributes.set("dir", dir);
  return { attributes, fragment: url.fragment };
}

function fromUrl(url: NixUrl): FlakeAttributes {
  for (const scheme of SCHEMES.values()) {
    const attributes = scheme.fromUrl(url);
    if (attributes !== undefined) return checkCommon(scheme.check(attributes));
  }
  const hint = url.scheme === "file+git" ? "; did you mean 'git+file' instead of 'file+git'?" : "";
  throw wrong(`input '${printUrl(url)}' is unsupported${hint}`);
}

/** Writes the reference with these attributes as a URL. Throws `invalid-url` or `invalid-flake-ref`. */
export function printFlakeRef(attributes: FlakeAttributes): string {
  const source = new Map(attributes);
  source.delete("dir");
  const dir = textOf(attributes, "dir") ?? "";
  const type = textOf(source, "type");
  if (type === undefined) throw wrong("'type' attribute to specify input scheme is required but not provided");
  const scheme = SCHEMES.get(type);
  if (scheme === undefined)
    throw wrong(`cannot show unsupported input '${JSON.stringify(Object.fromEntries(source))}'`);
  for (const name of source.keys()) {
    if (name !== "type" && !scheme.allowed.includes(name))
      throw wrong(`input attribute '${name}' not supported by scheme '${type}'`);
  }
  const url = scheme.toUrl(checkCommon(scheme.check(source)));
  return printUrl(dir === "" || url.query.has("dir") ? url : withQuery(url, [["dir", dir]]));
}

// Attributes

function textOf(attributes: FlakeAttributes, name: string): ByteString | undefined {
  const value = attributes.get(name);
  if (value === undefined || typeof value === "string") return value;
  throw wrong(`input attribute '${name}' is not a string`);
}

function needText(attributes: FlakeAttributes, name: string): ByteString {
  const value = textOf(attributes, name);
  if (value === undefined) throw wrong(`input attribute '${name}' is missing`);
  return value;
}

function flagOf(attributes: FlakeAttributes, name: string): boolean {
  const value = attributes.get(name) ?? false;
  if (typeof value !== "boolean") throw wrong(`input attribute '${name}' is not a Boolean`);
  return value;
}

function checkCommon(attributes: FlakeAttributes): FlakeAttributes {
  textOf(attributes, "ref");
  for (const name of ["revCount", "lastModified"]) {
    const value = attributes.get(name);
    if (value !== undefined && typeof value !== "number") throw wrong(`input attribute '${name}' is not an integer`);
  }
  return attributes;
}

/** The revision in base 16. */
function revisionOf(attributes: FlakeAttributes): string | undefined {
  const text = textOf(attributes, "rev");
  if (text === undefined) return undefined;
  return checked(() => printHash(parseHash(text, /^[a-z0-9]+[:-]/.test(text) ? undefined : "sha1"), "base16", false));
}

function narHashOf(attributes: FlakeAttributes): [string, string][] {
  const text = textOf(attributes, "narHash");
  if (text === undefined) return [];
  const hash =
    text === "" ? { algorithm: "sha256" as const, bytes: new Uint8Array(32) } : checked(() => parseHash(text));
  if (hash.algorithm !== "sha256") throw wrong("narHash must use SHA-256");
  return [["narHash", printHash(hash, "sri")]];
}

function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof HashError) throw new NixCompatError("invalid-flake-ref", thrown.message, { cause: thrown });
    throw thrown;
  }
}

function withQuery(url: NixUrl, parameters: readonly (readonly [string, string])[]): NixUrl {
  return { ...url, query: new Map([...url.query, ...parameters]) };
}

/** Parameters that are attributes go there, the others stay in the URL, which becomes the attribute `url`. */
function splitQuery(
  url: NixUrl,
  type: string,
  take: (name: string, value: string) => FlakeAttribute | undefined,
  print: (rest: NixUrl) => string,
): Map<ByteString, FlakeAttribute> {
  const attributes = new Map<ByteString, FlakeAttribute>([["type", type]]);
  const rest = new Map<string, string>();
  for (const [name, value] of url.query) {
    const attribute = take(name, value);
    if (attribute === undefined) rest.set(name, value);
    else attributes.set(name, attribute);
  }
  attributes.set("url", print({ ...url, query: rest }));
  return attributes;
}

function printedPlainly(url: NixUrl): NixUrl {
  return { ...url, scheme: splitScheme(url.scheme).transport };
}

// Schemes

const GIT_FLAGS = ["shallow", "submodules", "lfs", "exportIgnore", "allRefs", "verifyCommit"];
const GIT_TEXTS = ["rev", "ref", "keytype", "publicKey", "publicKeys"];
/** Those that are printed, in no order. */
const GIT_PRINTED_FLAGS = ["shallow", "lfs", "submodules", "exportIgnore", "verifyCommit"];

const git: Scheme = {
  allowed: [
    "url",
    ...GIT_TEXTS,
    ...GIT_FLAGS,
    "lastModified",
    "revCount",
    "narHash",
    "name",
    "dirtyRev",
    "dirtyShortRev",
  ],
  fromUrl: (url) => {
    if (url.scheme !== "git" && splitScheme(url.scheme).application !== "git") return undefined;
    const take = (name: string, value: string) =>
      GIT_TEXTS.includes(name) ? value : GIT_FLAGS.includes(name) ? value === "1" : undefined;
    return splitQuery(url, "git", take, printUrl);
  },
  check: (attributes) => {
    const ref = textOf(attributes, "ref");
    if (ref !== undefined && !isGitRefName(ref))
      throw new NixCompatError("invalid-url", `invalid Git branch/tag name '${ref}'`);
    for (const name of GIT_FLAGS) flagOf(attributes, name);
    return new Map([...attributes, ["url", printUrl(gitUrl(needText(attributes, "url")))]]);
  },
  toUrl: (attributes) => {
    const url = parseUrl(needText(attributes, "url"));
    const rev = revisionOf(attributes);
    const ref = textOf(attributes, "ref");
    const parameters: [string, string][] = GIT_PRINTED_FLAGS.filter((name) => flagOf(attributes, name)).map((name) => [
      name,
      "1",
    ]);
    if (rev !== undefined) parameters.push(["rev", rev]);
    if (ref !== undefined) parameters.push(["ref", ref]);
    for (const name of ["keytype", "publicKey", "publicKeys"]) {
      const value = textOf(attributes, name);
      if (value !== undefined) parameters.push([name, value]);
    }
    return withQuery({ ...url, scheme: url.scheme === "git" ? "git" : `git+${url.scheme}` }, parameters);
  },
};

/** GitHub and its like: `github:OWNER/REPO[/REF-OR-REV]`. */
function forge(type: string): Scheme {
  return {
    allowed: ["owner", "repo", "ref", "rev", "narHash", "lastModified", "host", "treeHash"],
    fromUrl: (url) => {
      if (url.scheme !== type) return undefined;
      const bad = (why: string) => new NixCompatError("invalid-url", `URL '${printUrl(url)}' ${why}`);
      const path = url.path.filter((segment) => segment !== "");
      if (path.length < 2) throw bad("is invalid");
      const attributes = new Map<ByteString, FlakeAttribute>([
        ["type", type],
        ["owner", path[0]],
        ["repo", path[1]],
      ]);
      const rest = path.slice(2).join("/");
      if (rest !== "") attributes.set(path.length === 3 && REVISION.test(rest) ? "rev" : "ref", rest);
      for (const [name, value] of url.query) {
        if (name === "rev" && attributes.has(name)) throw bad("contains multiple commit hashes");
        if (name === "ref" && attributes.has(name)) throw bad("contains multiple branch/tag names");
        if (!["rev", "ref", "host", "narHash"].includes(name)) throw bad(`contains unknown parameter '${name}'`);
        attributes.set(name, value);
      }
      return attributes;
    },
    check: (attributes) => {
      needText(attributes, "owner");
      needText(attributes, "repo");
      const [ref, rev, host] = ["ref", "rev", "host"].map((name) => textOf(attributes, name));
      const bad = (why: string) =>
        new NixCompatError("invalid-url", `input ${JSON.stringify(Object.fromEntries(attributes))} contains ${why}`);
      if (ref !== undefined && rev !== undefined)
        throw bad(`both a commit hash ('${rev}') and a branch/tag name ('${ref}')`);
      if (rev !== undefined) checked(() => parseHash(rev, "sha1"));
      if (ref !== undefined && !isGitRefName(ref)) throw bad("an invalid branch/tag name");
      if (host !== undefined && !/^[a-zA-Z0-9.-]*$/.test(host)) throw bad("an invalid instance host");
      return attributes;
    },
    toUrl: (attributes) => {
      const path = [needText(attributes, "owner"), needText(attributes, "repo")];
      for (const part of [textOf(attributes, "ref"), revisionOf(attributes)]) if (part !== undefined) path.push(part);
      const host = textOf(attributes, "host");
      const query = new Map([...narHashOf(attributes), ...(host === undefined ? [] : [["host", host] as const])]);
      return { scheme: type, authority: undefined, path, query, fragment: "" };
    },
  };
}

const mercurial: Scheme = {
  allowed: ["url", "ref", "rev", "revCount", "narHash", "name"],
  fromUrl: (url) => {
    if (!/^hg\+(https?|ssh|file)$/.test(url.scheme)) return undefined;
    const take = (name: string, value: string) => (name === "rev" || name === "ref" ? value : undefined);
    return splitQuery(url, "hg", take, (rest) => printUrl(printedPlainly(rest)));
  },
  check: (attributes) => {
    parseUrl(needText(attributes, "url"));
    const ref = textOf(attributes, "ref");
    if (ref !== undefined && !new RegExp(`^${REF}$`).test(ref))
      throw new NixCompatError("invalid-url", `invalid Mercurial branch/tag name '${ref}'`);
    return attributes;
  },
  toUrl: (attributes) => {
    const url = parseUrl(needText(attributes, "url"));
    const parameters: [string, string][] = [];
    const rev = revisionOf(attributes);
    const ref = textOf(attributes, "ref");
    if (rev !== undefined) parameters.push(["rev", rev]);
    if (ref !== undefined) parameters.push(["ref", ref]);
    return withQuery({ ...url, scheme: `hg+${url.scheme}` }, parameters);
  },
};

/** `flake:ID[/REF][/REV]`: looked up in a registry. */
const indirect: Scheme = {
  allowed: ["id", "ref", "rev", "narHash"],
  fromUrl: (url) => {
    if (url.scheme !== "flake") return undefined;
    const bad = (what: string, why: string) =>
      new NixCompatError("invalid-url", `in flake URL '${printUrl(url)}', '${what}' is not a ${why}`);
    const [id, second, third, ...more] = url.path.filter((segment) => segment !== "");
    if (id === undefined || more.length > 0)
      throw new NixCompatError("invalid-url", `GitHub URL '${printUrl(url)}' is invalid`);
    const attributes = new Map<ByteString, FlakeAttribute>([
      ["type", "indirect"],
      ["id", id],
    ]);
    if (second === undefined) return attributes;
    if (third === undefined && REVISION.test(second)) attributes.set("rev", second.toLowerCase());
    else if (isGitRefName(second)) attributes.set("ref", second);
    else throw bad(second, third === undefined ? "commit hash or branch/tag name" : "branch/tag name");
    if (third !== undefined) {
      if (!REVISION.test(third)) throw bad(third, "commit hash");
      attributes.set("rev", third.toLowerCase());
    }
    return attributes;
  },
  check: (attributes) => {
    const id = needText(attributes, "id");
    if (!FLAKE_ID.test(id)) throw new NixCompatError("invalid-url", `'${id}' is not a valid flake ID`);
    return attributes;
  },
  toUrl: (attributes) => {
    const path = [needText(attributes, "id")];
    for (const part of [textOf(attributes, "ref"), revisionOf(attributes)]) if (part !== undefined) path.push(part);
    return { scheme: "flake", authority: undefined, path, query: NO_QUERY, fragment: "" };
  },
};

const path: Scheme = {
  allowed: ["path", "rev", "revCount", "lastModified", "narHash"],
  fromUrl: (url) => {
    if (url.scheme !== "path") return undefined;
    if (url.authority !== undefined && url.authority.host !== "")
      throw wrong(`path URL '${printUrl(url)}' should not have an authority ('${url.authority.host}')`);
    const attributes = new Map<ByteString, FlakeAttribute>([
      ["type", "path"],
      ["path", pathOfSegments(url.path)],
    ]);
    for (const [name, value] of url.query) {
      if (name === "rev" || name === "narHash") attributes.set(name, value);
      else if (name !== "revCount" && name !== "lastModified")
        throw wrong(`path URL '${printUrl(url)}' has unsupported parameter '${name}'`);
      else if (!/^\d{1,15}$/.test(value)) throw wrong(`path URL '${printUrl(url)}' has invalid parameter '${name}'`);
      else attributes.set(name, Number(value));
    }
    return attributes;
  },
  check: (attributes) => {
    needText(attributes, "path");
    return attributes;
  },
  toUrl: (attributes) => {
    const query = new Map<string, string>();
    for (const [name, value] of attributes) {
      if (name === "path" || name === "type") continue;
      query.set(name, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
    }
    return {
      scheme: "path",
      authority: undefined,
      path: segmentsOfPath(needText(attributes, "path")),
      query,
      fragment: "",
    };
  },
};

const DOWNLOAD_ATTRIBUTES = ["url", "narHash", "name", "unpack", "rev", "revCount", "lastModified"];

/** Something behind a plain address: a file as it is, or an archive. A flake's tree comes in an archive unless the scheme says otherwise. */
function download(type: "file" | "tarball"): Scheme {
  return {
    allowed: DOWNLOAD_ATTRIBUTES,
    fromUrl: (url) => {
      const { application, transport } = splitScheme(url.scheme);
      if (!["file", "http", "https"].includes(transport) || (application ?? "tarball") !== type) return undefined;
      const attributes = new Map<ByteString, FlakeAttribute>([["type", type]]);
      for (const name of ["narHash", "rev", "revCount", "lastModified"]) {
        const value = url.query.get(name);
        if (value === undefined) continue;
        if (name === "narHash" || name === "rev") attributes.set(name, value);
        else if (/^\d{1,15}$/.test(value)) attributes.set(name, Number(value));
      }
      const query = new Map([...url.query].filter(([name]) => !DOWNLOAD_ATTRIBUTES.includes(name)));
      attributes.set("url", printUrl({ ...printedPlainly(url), query }));
      return attributes;
    },
    check: (attributes) => attributes,
    toUrl: (attributes) => withQuery(parseUrl(needText(attributes, "url")), narHashOf(attributes)),
  };
}

/** By type, in the order in which URLs are offered to them. */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map<string, Scheme>([
  ["file", download("file")],
  ["git", git],
  ["github", forge("github")],
  ["gitlab", forge("gitlab")],
  ["hg", mercurial],
  ["indirect", indirect],
  ["path", path],
  ["sourcehut", forge("sourcehut")],
  ["tarball", download("tarball")],
]);

function wrong(message: string): NixCompatError {
  return new NixCompatError("invalid-flake-ref", message);
}
