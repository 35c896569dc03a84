/*
Which store a command works on, as people write it after --store, --from and --to:

    local:DIR      Firn's own store in a directory, the default being below the state directory
    memory:        nothing to begin with, nothing left afterwards
    sqlite:FILE    one SQLite file
    objects:DIR    blobs and directories as Snix and Tvix keep them, path infos in SQLite beside them
    FILE.toml      a composition of services (docs/store-composition.md)
*/

import { dirname, join, resolve } from "node:path";
import { CliError } from "./error.ts";

export type StoreChoice =
  | { readonly kind: "local"; readonly hostDir: string }
  | { readonly kind: "document"; readonly document: unknown; readonly hostDir: string; readonly label: string }
  | { readonly kind: "file"; readonly hostPath: string; readonly hostDir: string };

export const STORE_FORMS = "local:DIR, memory:, sqlite:FILE, objects:DIR or FILE.toml";

/** Reads a choice; paths are relative to `workingDirectory`. Throws `usage`. */
export function parseStoreChoice(text: string, workingDirectory: string): StoreChoice {
  const [, scheme, rest] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  const place = rest === undefined ? "" : resolve(workingDirectory, rest.replace(/^\/\/(?=\/)/, ""));
  const all = (instance: object) => ({
    blobservices: { root: instance },
    directoryservices: { root: instance },
    pathinfoservices: { root: instance },
  });
  const composed = (document: unknown): StoreChoice => ({
    kind: "document",
    document,
    hostDir: workingDirectory,
    label: text,
  });
  if (scheme !== undefined && scheme !== "memory" && rest === "")
    throw new CliError("usage", `'${text}' lacks a place after the colon: expected ${STORE_FORMS}`);
  switch (scheme) {
    case "local":
      return { kind: "local", hostDir: place };
    case "memory":
      if (rest !== "" && rest !== "//")
        throw new CliError("usage", `a store in memory has no place: memory:, not '${text}'`);
      return composed(all({ type: "memory" }));
    case "sqlite":
      return composed(all({ type: "sqlite", path: place }));
    case "objects": {
      const objects = { type: "objectstore", object_store_url: `file://${place}` };
      return composed({
        blobservices: { root: objects },
        directoryservices: { root: objects },
        pathinfoservices: { root: { type: "sqlite", path: join(place, "path-infos.sqlite") } },
      });
    }
    default: {
      const hostPath = resolve(workingDirectory, text);
      if (text.endsWith(".toml")) return { kind: "file", hostPath, hostDir: dirname(hostPath) };
      throw new CliError("usage", `'${text}' is no store: expected ${STORE_FORMS}`);
    }
  }
}
