/*
The NAR hash of a tree on the host, computed while the evaluation waits, because the store path that comes of it is a value of
the language. The tree itself is stored later, and checked against this hash then.
*/

import type { ByteString } from "@firn/base";
import { EvalError, poll } from "@firn/eval";
import { createHasher, toHex } from "@firn/hash";
import { NarWriter } from "@firn/nix-compat";
import type { HostFiles } from "./host-files.ts";

/** Whether an entry belongs to the copy; gets its full path and type. */
export type TreeFilter = (path: ByteString, kind: string) => boolean;

export type TreeHash = {
  /** SHA-256 of the NAR, hex. */
  readonly sha256: string;
  /** Paths relative to the root that the filter let pass, root excluded; undefined without a filter. */
  readonly included: readonly ByteString[] | undefined;
};

/** Hashes the tree at `root`. Throws EvalError `io` for what cannot be in a store: devices, sockets, FIFOs. */
export function hashTree(files: HostFiles, root: ByteString, filter?: TreeFilter): TreeHash {
  const hasher = createHasher("sha256");
  const writer = new NarWriter((bytes) => {
    hasher.update(bytes);
  });
  const included: ByteString[] | undefined = filter === undefined ? undefined : [];
  const write = (path: ByteString): void => {
    const status = files.status(path);
    switch (status?.kind) {
      case undefined:
        throw new EvalError("io", `path '${path}' does not exist`);
      case "regular": {
        const bytes = files.readFile(path);
        writer.startFile(bytes.length, status.executable);
        if (bytes.length > 0) writer.contents(bytes);
        return;
      }
      case "symlink":
        writer.symlink(files.readLink(path));
        return;
      case "directory": {
        poll();
        writer.startDirectory();
        const entries = [...files.readDirectory(path)].sort((a, b) => (a[0] < b[0] ? -1 : 1));
        for (const [name, kind] of entries) {
          const below = path === "/" ? `/${name}` : `${path}/${name}`;
          if (filter !== undefined && !filter(below, kind)) continue;
          included?.push(below.slice(root === "/" ? 1 : root.length + 1));
          writer.entry(name);
          write(below);
        }
        writer.endDirectory();
        return;
      }
      default:
        throw new EvalError(
          "io",
          `file '${path}' has an unsupported type: only files, directories and symlinks can be copied to the store`,
        );
    }
  };
  write(root);
  writer.finish();
  return { sha256: toHex(hasher.digest()), included };
}
