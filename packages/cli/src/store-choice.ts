/*
Which store a command works on, as people write it after --store, --from and --to:

    local:DIR      Firn's own store in a directory, the default being below the state directory
    memory:        nothing to begin with, nothing left afterwards
    sqlite:FILE    one SQLite file
    objects:DIR    blobs and directories as Snix and Tvix keep them, the rest in SQLite beside them
    grpc+http:…    a server of Firn's, Snix's or Tvix's (grpc+https://HOST, grpc+unix:/PATH as well)
    daemon:SOCKET  a Nix daemon; without SOCKET the one of this machine's Nix. Contents pass through Firn's own store
    nix+https://…  a binary cache of Nix, also nix+http:// and nix+file:///DIR
    castore+http:… a static store (firn store publish), or a server's at /castore (castore+https://HOST/PATH)
    FILE.toml      a composition of services (docs/store-composition.md)
*/

import { dirname, join, resolve } from "node:path";
import type { GrpcFields } from "@firn/protocol/node";
import { CliError } from "./error.ts";

export type StoreChoice =
  | { readonly kind: "local"; readonly hostDir: string }
  | { readonly kind: "daemon"; readonly socketPath: string }
  | { readonly kind: "document"; readonly document: unknown; readonly hostDir: string; readonly label: string }
  | { readonly kind: "grpc"; readonly server: GrpcFields; readonly hostDir: string; readonly label: string }
  | { readonly kind: "file"; readonly hostPath: string; readonly hostDir: string };

export const STORE_FORMS =
  "local:DIR, memory:, sqlite:FILE, objects:DIR, grpc+http://HOST:PORT, grpc+unix:/PATH, castore+https://HOST/PATH, daemon:[SOCKET], nix+https://… or FILE.toml";

/** Where Nix's own daemon listens. */
const NIX_SOCKET = "/nix/var/nix/daemon-socket/socket";

/** The address of a binary cache, when the text is one. */
export function nixCacheUrl(text: string): string | undefined {
  return text.startsWith("nix+") ? text.slice("nix+".length) : undefined;
}

/** Reads a choice; paths are relative to `workingDirectory`. Throws `usage`. */
export function parseStoreChoice(text: string, workingDirectory: string): StoreChoice {
  const [, scheme, rest] = /^([a-z+]+):(.*)$/s.exec(text) ?? [];
  const place = rest === undefined ? "" : resolve(workingDirectory, rest.replace(/^\/\/(?=\/)/, ""));
  const all = (instance: object) => ({
    blobservices: { root: instance },
    directoryservices: { root: instance },
    pathinfoservices: { root: instance },
  });
  const withRealisations = (instance: object) => ({ ...all(instance), realisationservices: { root: instance } });
  const cacheUrl = nixCacheUrl(text);
  const composed = (document: unknown): StoreChoice => ({
    kind: "document",
    document,
    hostDir: workingDirectory,
    label: text,
  });
  if (cacheUrl !== undefined) {
    const contents = { blob_service: "root", directory_service: "root" };
    return composed({
      blobservices: { root: { type: "memory" } },
      directoryservices: { root: { type: "memory" } },
      pathinfoservices: { root: { type: "nix", base_url: cacheUrl, ...contents } },
    });
  }
  if (scheme !== undefined && scheme !== "memory" && scheme !== "daemon" && rest === "")
    throw new CliError("usage", `'${text}' lacks a place after the colon: expected ${STORE_FORMS}`);
  switch (scheme) {
    case "local":
      return { kind: "local", hostDir: place };
    case "memory":
      if (rest !== "" && rest !== "//")
        throw new CliError("usage", `a store in memory has no place: memory:, not '${text}'`);
      return composed(withRealisations({ type: "memory" }));
    case "sqlite":
      return composed(withRealisations({ type: "sqlite", path: place }));
    case "daemon":
      return { kind: "daemon", socketPath: rest === "" || rest === "//" ? NIX_SOCKET : place };
    case "objects": {
      const objects = { type: "objectstore", object_store_url: `file://${place}` };
      const beside = { type: "sqlite", path: join(place, "path-infos.sqlite") };
      return composed({
        blobservices: { root: objects },
        directoryservices: { root: objects },
        pathinfoservices: { root: beside },
        realisationservices: { root: beside },
      });
    }
    case "castore+http":
    case "castore+https":
      return composed(all({ type: "castore", ...serverOf(text).server }));
    case "grpc+http":
    case "grpc+https":
    case "grpc+unix":
      return { kind: "grpc", server: serverOf(text).server, hostDir: workingDirectory, label: text };
    default: {
      const hostPath = resolve(workingDirectory, text);
      if (text.endsWith(".toml")) return { kind: "file", hostPath, hostDir: dirname(hostPath) };
      if (/^https?:/.test(text))
        throw new CliError(
          "usage",
          `'${text}' does not say what is there: a server of Firn's (grpc+${text}), a static store (castore+${text}) or a binary cache of Nix (nix+${text})`,
        );
      throw new CliError("usage", `'${text}' is no store: expected ${STORE_FORMS}`);
    }
  }
}

/** A server by its URL, whose query may name files, `?token_file=FILE&ca_file=FILE`, and what is `further` known there. Throws `usage`. */
export function serverOf<Name extends string = never>(
  text: string,
  further: readonly Name[] = [],
): { readonly server: GrpcFields; readonly further: Readonly<Partial<Record<Name, string>>> } {
  const [url, query = ""] = text.split("?", 2);
  const fields = new Map(new URLSearchParams(query));
  const known = ["token_file", "ca_file", ...further];
  const unknown = [...fields.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new CliError("usage", `'${unknown}' is nothing a server is told in its URL: expected ${known.join(", ")}`);
  const pick = (names: readonly string[]) => Object.fromEntries([...fields].filter(([name]) => names.includes(name)));
  return {
    server: { url, ...pick(["token_file", "ca_file"]) },
    further: pick(further) as Partial<Record<Name, string>>,
  };
}
