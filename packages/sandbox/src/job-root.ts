/*
The root of a job, which a builder sees read-only: directories, small files and links, and empty places to mount on. It is described before it is
made, because most jobs have the same: those whose inputs all go below what they may write. What no builder can change need not be made for each, so
equal roots are one directory, named after its description, that all processes share for as long as the machine runs.
*/

import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bytesOf, type ByteString, textOf } from "@firn/base";
import { removeTree, removeTreeOnce } from "./remove-tree.ts";

/** What there is at a path; an empty file may be something to mount on. */
type RootEntry = { readonly directory: true } | { readonly contents: ByteString } | { readonly target: ByteString };

export class RootDescription {
  /** By path relative to the root; what comes first stays. */
  readonly #entries = new Map<ByteString, RootEntry>();

  directory(path: ByteString): void {
    this.#add(path, { directory: true });
  }

  file(path: ByteString, contents: ByteString = ""): void {
    this.#add(path, { contents });
  }

  link(path: ByteString, target: ByteString): void {
    this.#add(path, { target });
  }

  /** The names at the top. */
  topNames(): Set<ByteString> {
    return new Set(Array.from(this.#entries.keys(), (path) => path.split("/", 1)[0]));
  }

  /** Makes it below `root`, which is a directory. */
  make(root: string): void {
    for (const [path, entry] of this.#entries) {
      const place = join(root, textOf(path));
      if ("directory" in entry) {
        mkdirSync(place, { recursive: true, mode: 0o755 });
        continue;
      }
      mkdirSync(dirname(place), { recursive: true, mode: 0o755 });
      if ("target" in entry) symlinkSync(Buffer.from(entry.target, "latin1"), place);
      else writeFileSync(place, bytesOf(entry.contents), { mode: 0o644 });
    }
  }

  digest(): string {
    return createHash("sha256")
      .update(JSON.stringify([...this.#entries]), "latin1")
      .digest("hex")
      .slice(0, 32);
  }

  #add(path: ByteString, entry: RootEntry): void {
    if (!this.#entries.has(path)) this.#entries.set(path, entry);
  }
}

/** Roots below one directory; `<boot>-<digest>`, since files that nobody flushed may be empty after the machine went down. */
export class SharedRoots {
  readonly #dir: string;
  readonly #boot = bootId();
  readonly #made = new Set<string>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The host path of the root that is described; nobody may change it. */
  get(description: RootDescription): string {
    const root = join(this.#dir, `${this.#boot}-${description.digest()}`);
    if (this.#made.has(root) || existsSync(root)) return root;
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const making = mkdtempSync(join(this.#dir, `${this.#boot}-making-`));
    description.make(making);
    try {
      renameSync(making, root);
    } catch (thrown) {
      if (!existsSync(root)) throw thrown;
      void removeTree(making); // another process was first
    }
    this.#made.add(root);
    return root;
  }

  /** Removes what was made before the machine came up. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#dir).catch(() => [])) {
      if (!name.startsWith(`${this.#boot}-`))
        await removeTreeOnce(join(this.#dir, name), join(this.#dir, `${this.#boot}-removing-${randomUUID()}`));
    }
  }
}

/** Names this run of the machine. */
function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8);
}
