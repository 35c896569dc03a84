/* `firn store ls`: what is in a directory of the store. Names are printed as the bytes they are. */

import { type ByteString, textOf } from "@firn/base";
import { formatDigest, type Node, needDirectory, walkTree } from "@firn/castore";
import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";
import { findTarget, type StoreTarget } from "../../store-target.ts";

/** How much of a listing is gathered before it is written. */
const ROWS_BYTES = 32 * 1024;

export type LsOptions = {
  readonly path: string;
  readonly long: boolean;
  readonly recursive: boolean;
  readonly directory: boolean;
  readonly json: boolean;
};

export const command = defineCommand<LsOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<path>", "a store path, something inside one, or a link to a result")
      .option("-l, --long", "kind, size and where symlinks point")
      .option("-R, --recursive", "what is in directories as well")
      .option("-d, --directory", "a directory itself, not what is in it")
      .option("--json", "print {type, size, executable, target, entries, digest}, nested")
      .addHelpText(
        "after",
        examples(
          ["firn store ls -lR ./result", "everything in a result"],
          ["firn store ls --json /nix/store/…-hello", "for a script"],
        ),
      ),
  optionsOf: ([path], flags) => ({
    path,
    long: flags.long === true,
    recursive: flags.recursive === true,
    directory: flags.directory === true,
    json: flags.json === true,
  }),
  run: list,
});

async function list(options: LsOptions, session: Session): Promise<undefined> {
  const target = await findTarget(options.path, session);
  if (options.json) {
    const isDeep = options.recursive ? "all" : options.directory ? "none" : "one";
    await session.output.json(await jsonOf(target.node, isDeep, session));
    return undefined;
  }
  let rows = "";
  for await (const { path, node } of rowsOf(target, options, session)) {
    rows += options.long ? longRow(path, node) : `${path}\n`;
    if (rows.length < ROWS_BYTES) continue;
    await session.output.byteString(rows);
    rows = "";
  }
  await session.output.byteString(rows);
  return undefined;
}

/** Paths are relative to the target, as `nix store ls` has them; a target that is no directory is itself the one row. */
async function* rowsOf(
  { node, rest, path }: StoreTarget,
  { recursive, directory }: LsOptions,
  session: Session,
): AsyncGenerator<{ readonly path: ByteString; readonly node: Node }> {
  const own = rest === "" ? path.toString() : rest.slice(rest.lastIndexOf("/") + 1);
  if (node.kind !== "directory" || directory) {
    yield { path: own, node };
    return;
  }
  const store = await session.openServices();
  if (!recursive) {
    const { entries } = await needDirectory(store.directories, node.digest, { signal: session.signal });
    for (const entry of entries) yield { path: entry.name, node: entry.node };
    return;
  }
  for await (const entry of walkTree(store, node, { signal: session.signal })) {
    if (entry.path !== "") yield { path: `./${entry.path}`, node: entry.node };
  }
}

/** As `nix store ls -l`: mode, size, name. */
function longRow(path: ByteString, node: Node): ByteString {
  const mode =
    node.kind === "directory"
      ? "dr-xr-xr-x"
      : node.kind === "symlink"
        ? "lrwxrwxrwx"
        : node.executable
          ? "-r-xr-xr-x"
          : "-r--r--r--";
  const size = node.kind === "file" ? node.size : 0;
  const arrow = node.kind === "symlink" ? ` -> ${node.target}` : "";
  return `${mode} ${String(size).padStart(20)} ${path}${arrow}\n`;
}

async function jsonOf(node: Node, depth: "none" | "one" | "all", session: Session): Promise<object> {
  if (node.kind === "file")
    return { type: "regular", size: node.size, executable: node.executable, digest: formatDigest(node.digest) };
  if (node.kind === "symlink") return { type: "symlink", target: textOf(node.target) };
  const digest = formatDigest(node.digest);
  if (depth === "none") return { type: "directory", digest };
  const store = await session.openServices();
  const directory = await needDirectory(store.directories, node.digest, { signal: session.signal });
  const entries: Record<string, object> = {};
  for (const { name, node: child } of directory.entries) {
    entries[textOf(name)] = await jsonOf(child, depth === "all" ? "all" : "none", session);
  }
  return { type: "directory", digest, entries };
}
