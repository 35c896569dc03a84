/*
Running a program where its store is: in a mount namespace of its own that is the host's file system with a closure of store paths at the
store directory. It is no sandbox, the program sees and may do what the user may; only the store directory is another one.

bubblewrap makes the namespace where it works, else unshare(1) with mount(8) and pivot_root(8), which is slower for large closures.
*/

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Node } from "@firn/castore";
import { CliError } from "./error.ts";
import { findProgram } from "./find-program.ts";
import { shellQuote } from "./shell-quote.ts";

/** bwrap refuses more words of options. */
const BWRAP_WORDS_MAX = 9000;

/** A store path and where its files are on the host. */
export type ShownPath = { readonly path: string; readonly hostPath: string; readonly node: Node };

export type StoreView = {
  readonly storeDir: string;
  readonly shown: readonly ShownPath[];
  readonly workingDirectory: string;
  /** An empty directory that the new root may be mounted on. */
  readonly mountPoint: string;
  /** The caller's PATH. */
  readonly searchPath: string;
};

/** A process to start: a program of the host, its arguments, and what it reads on descriptor 3. */
export type Launch = { readonly file: string; readonly args: readonly string[]; readonly input: string };

/** How to start `program` in the view. Throws `unsupported` when this host cannot. */
export function launchInView(view: StoreView, program: string, args: readonly string[]): Launch {
  const bwrap = findProgram("bwrap", view.searchPath);
  if (bwrap !== undefined && works(bwrap, ["--dev-bind", "/", "/", "--", "true"])) {
    const words = bubblewrapWords(view);
    if (words.length <= BWRAP_WORDS_MAX) {
      return {
        file: bwrap,
        args: ["--args", "3", "--", program, ...args],
        input: words.map((word) => `${word}\0`).join(""),
      };
    }
  }
  const unshare = findProgram("unshare", view.searchPath);
  const inNamespace = ["--user", "--map-root-user", "--mount", "--propagation", "private", "--"];
  if (unshare !== undefined && works(unshare, [...inNamespace, "true"])) {
    // The script is read whole before anything else reads descriptor 3.
    const shell = ["/bin/sh", "-c", 'script=$(cat <&3); exec 3<&-; eval "$script"', "sh", program, ...args];
    return { file: unshare, args: [...inNamespace, ...shell], input: unshareScript(view, unshare) };
  }
  throw new CliError(
    "unsupported",
    "running programs of the store needs bubblewrap or unshare(1), and user namespaces; install bubblewrap (apt-get install bubblewrap)",
  );
}

/** What of the host is shown around the store: all of it, or, where the store directory's place is missing, each entry of `/`. */
function rootEntries(storeDir: string): readonly string[] | undefined {
  if (existsSync(storeDir)) return undefined;
  const top = `/${storeDir.split("/")[1]}`;
  if (existsSync(top)) {
    const message = `to run programs of a store at ${storeDir}, that directory has to exist; it may be empty: mkdir -p ${storeDir}`;
    throw new CliError("unsupported", message);
  }
  return readdirSync("/").map((name) => `/${name}`);
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function bubblewrapWords({ storeDir, shown, workingDirectory }: StoreView): string[] {
  const words: string[] = [];
  const entries = rootEntries(storeDir);
  if (entries === undefined) words.push("--dev-bind", "/", "/", "--tmpfs", storeDir);
  for (const entry of entries ?? []) {
    const target = linkTarget(entry);
    if (target === undefined) words.push("--dev-bind", entry, entry);
    else words.push("--symlink", target, entry);
  }
  for (const { path, hostPath, node } of shown) {
    if (node.kind === "symlink") words.push("--symlink", node.target, path);
    else words.push("--ro-bind", hostPath, path);
  }
  words.push("--chdir", workingDirectory);
  return words;
}

/** Run as root of a new user namespace; ends as the user again, in an inner one, with the program's words as its arguments. */
function unshareScript({ storeDir, shown, workingDirectory, mountPoint }: StoreView, unshare: string): string {
  const root = shellQuote(mountPoint);
  const lines = [
    "set -e",
    // Users' PATHs lack the directories of mount's relatives; the program gets the PATH it was called with.
    "path=$PATH; PATH=$PATH:/usr/sbin:/sbin",
    // What is bound must have something of its kind to be bound on.
    'place() { mkdir -p "$(dirname "$2")"; if [ -d "$1" ]; then mkdir -p "$2"; else : > "$2"; fi; }',
    `show() { place "$1" "$2"; mount --rbind "$1" "$2"; }`,
    `keep() { place "$1" "$2"; mount -o bind,ro,nosuid,nodev "$1" "$2"; }`,
  ];
  const entries = rootEntries(storeDir);
  if (entries === undefined)
    lines.push(`mount --rbind / ${root}`, `mount -t tmpfs -o mode=755 tmpfs ${shellQuote(mountPoint + storeDir)}`);
  else lines.push(`mount -t tmpfs -o mode=755 tmpfs ${root}`);
  for (const entry of entries ?? []) {
    const target = linkTarget(entry);
    if (target === undefined) lines.push(`show ${shellQuote(entry)} ${shellQuote(mountPoint + entry)}`);
    else lines.push(`ln -s ${shellQuote(target)} ${shellQuote(mountPoint + entry)}`);
  }
  lines.push(`mkdir -p ${shellQuote(mountPoint + storeDir)}`);
  for (const { path, hostPath, node } of shown) {
    if (node.kind === "symlink") lines.push(`ln -s ${shellQuote(node.target)} ${shellQuote(mountPoint + path)}`);
    else lines.push(`keep ${shellQuote(hostPath)} ${shellQuote(mountPoint + path)}`);
  }
  const { uid, gid } = owner();
  lines.push(
    // The old root goes below a directory that is a mount of its own, so that none of the host's is needed.
    `mkdir -p ${shellQuote(join(mountPoint, storeDir, ".old"))}`,
    `cd ${root}`,
    `pivot_root . ${shellQuote(join(storeDir, ".old").slice(1))}`,
    `umount -l ${shellQuote(join(storeDir, ".old"))}`,
    `rmdir ${shellQuote(join(storeDir, ".old"))}`,
    `cd ${shellQuote(workingDirectory)}`,
    "PATH=$path",
    `exec ${shellQuote(unshare)} --user --map-user=${uid} --map-group=${gid} -- "$@"`,
  );
  return `${lines.join("\n")}\n`;
}

function owner(): { readonly uid: number; readonly gid: number } {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

function works(file: string, args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}
