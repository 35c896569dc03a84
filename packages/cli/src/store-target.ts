/*
How people name something in the store: a store path, a path inside one, or a path on the host that leads there through a link Firn
made (`./result/bin/hello`). The links point below the `outputs` directory, where each is named as the store path it shows, so the name
is found by following links one by one and needs no lookup.
*/

import { lstatSync, readlinkSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { type ByteString, byteStringOfText } from "@firn/base";
import { type CallOptions, lookup, type Node } from "@firn/castore";
import { isBelowStoreDir, parseStorePath, parseStorePathPrefix, type StorePath } from "@firn/nix-compat";
import type { PathInfo } from "@firn/store";
import { CliError } from "./error.ts";
import type { Session } from "./session.ts";

const LINKS_MAX = 40;

/** A store path and what was named inside it, "" or "/…". */
export type StorePlace = { readonly path: StorePath; readonly rest: ByteString };

/** A place of the store that exists. */
export type StoreTarget = StorePlace & { readonly info: PathInfo; readonly node: Node };

/** Where `text` leads. Throws `invalid-target` when that is nowhere in the store; whether the path exists is not asked. */
export function findPlace(text: string, session: Session): StorePlace {
  const { storeDir, workingDirectory } = session.config;
  const bytes = byteStringOfText(text);
  if (isBelowStoreDir(bytes, storeDir)) return withoutDots(parseStorePathPrefix(bytes, storeDir), text);
  const place = followLinks(resolve(workingDirectory, text), session);
  if (place !== undefined) return place;
  throw new CliError(
    "invalid-target",
    `'${text}' is not a path below ${storeDir}, and no link to a result of Firn either`,
  );
}

/** The place with its node. Throws `not-found` when the store has no such path, or it holds no such file. */
export async function findTarget(text: string, session: Session, options?: CallOptions): Promise<StoreTarget> {
  const { path, rest } = findPlace(text, session);
  const store = await session.openServices();
  const info = await store.pathInfos.get(path.hashPart, options);
  const printed = path.absolute(session.config.storeDir);
  if (!info?.path.equals(path)) {
    throw new CliError("not-found", `path '${printed}' is not in the store ${store.label}`, {
      context: { path: printed },
    });
  }
  const node = await lookup(store, info.node, rest, options);
  if (node === undefined) throw new CliError("not-found", `path '${text}' does not exist in ${printed}`);
  return { path, rest, info, node };
}

/** A trailing slash says nothing; `.` and `..` would be taken for names. */
function withoutDots({ path, rest }: StorePlace, text: string): StorePlace {
  const names = rest.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes(".."))
    throw new CliError("invalid-target", `'${text}' holds '..', which means nothing inside the store`);
  return { path, rest: names.map((name) => `/${name}`).join("") };
}

/** Follows the links of a host path until one points below `outputsHostDir`, or below the store directory, as roots that Nix's programs make do. */
function followLinks(hostPath: string, { outputsHostDir, config }: Session): StorePlace | undefined {
  let path = hostPath;
  for (let links = 0; links < LINKS_MAX; links++) {
    if (path.startsWith(outputsHostDir + sep)) {
      const [name, ...rest] = path.slice(outputsHostDir.length + 1).split(sep);
      return { path: parseStorePath(name), rest: byteStringOfText(rest.map((part) => `/${part}`).join("")) };
    }
    if (isBelowStoreDir(path, config.storeDir)) return parseStorePathPrefix(byteStringOfText(path), config.storeDir);
    const next = firstLinkResolved(path);
    if (next === undefined) return undefined;
    path = next;
  }
  return undefined;
}

/** `path` with its first component that is a symlink replaced by where it points; undefined when none is. */
function firstLinkResolved(path: string): string | undefined {
  const names = path.split(sep).filter((name) => name !== "");
  for (let i = 1; i <= names.length; i++) {
    const prefix = sep + names.slice(0, i).join(sep);
    try {
      if (lstatSync(prefix).isSymbolicLink())
        return join(resolve(dirname(prefix), readlinkSync(prefix)), ...names.slice(i));
    } catch {
      return undefined; // nothing is there, or nothing we may see
    }
  }
  return undefined;
}
