/* `firn store path-info`: what the store knows of paths. The flags are those of `nix path-info`. */

import { formatDigest } from "@firn/castore";
import { printHash } from "@firn/hash";
import { printContentAddress, printSignature } from "@firn/nix-compat";
import { closureOf, type PathInfo } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { humanBytes } from "../../live-line.ts";
import type { OpenedStore } from "../../opened-store.ts";
import { closurePaths, namedPaths } from "../../path-selection.ts";
import type { Session } from "../../session.ts";

export type PathInfoOptions = {
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly size: boolean;
  readonly closureSize: boolean;
  readonly human: boolean;
  readonly json: boolean;
};

export const command = defineCommand<PathInfoOptions>({
  store: "any",
  declare: (command) =>
    command
      .helpOption("--help", "print help")
      .argument("<path...>", "store paths, or links to results")
      .option("-r, --recursive", "all they refer to as well")
      .option("-s, --size", "the size of each path's NAR")
      .option("-S, --closure-size", "the size of the NARs of each path and all it refers to")
      .option("-h, --human-readable", "sizes with units")
      .option("--json", "print all that is known, as a list of objects")
      .addHelpText(
        "after",
        examples(["firn store path-info -rsSh ./result", "what a result needs, and how large it is"]),
      ),
  optionsOf: (operands, flags) => ({
    paths: operands,
    recursive: flags.recursive === true,
    size: flags.size === true,
    closureSize: flags.closureSize === true,
    human: flags.humanReadable === true,
    json: flags.json === true,
  }),
  run: show,
});

async function show(options: PathInfoOptions, session: Session): Promise<undefined> {
  const { output, config } = session;
  const store = await session.openServices();
  const select = options.recursive ? closurePaths : namedPaths;
  const infos = await select(options.paths, store, session);
  const rows: object[] = [];
  const sizeOf = (bytes: number) => (options.human ? humanBytes(bytes) : String(bytes)).padStart(14);
  const width = Math.max(...infos.map(({ path }) => path.absolute(config.storeDir).length));
  for (const info of infos) {
    const closureSize = options.closureSize ? await sizeOfClosure(info, store, session) : undefined;
    if (options.json) {
      rows.push(jsonOf(info, closureSize, config.storeDir));
      continue;
    }
    let line = info.path.absolute(config.storeDir);
    if (options.size || closureSize !== undefined) line = line.padEnd(width);
    if (options.size) line += sizeOf(info.narSize);
    if (closureSize !== undefined) line += sizeOf(closureSize);
    await output.line(line);
  }
  if (options.json) await output.json(rows);
  return undefined;
}

async function sizeOfClosure({ path }: PathInfo, { pathInfos }: OpenedStore, { signal }: Session): Promise<number> {
  return (await closureOf([path], pathInfos, { signal })).reduce((sum, { narSize }) => sum + narSize, 0);
}

function jsonOf(info: PathInfo, closureSize: number | undefined, storeDir: string): object {
  const { path, node, narSha256, narSize, references, deriver, contentAddress, signatures, registeredAt } = info;
  return {
    path: path.absolute(storeDir),
    narHash: printHash({ algorithm: "sha256", bytes: narSha256 }, "sri"),
    narSize,
    closureSize,
    references: references.map((reference) => reference.absolute(storeDir)),
    deriver: deriver?.absolute(storeDir),
    ca: contentAddress && printContentAddress(contentAddress),
    signatures: signatures.filter(({ scheme }) => scheme === undefined).map(printSignature),
    firnSignatures: signatures.filter(({ scheme }) => scheme === "firn").map(printSignature),
    registrationTime: registeredAt,
    root:
      node.kind === "symlink"
        ? { type: "symlink", target: node.target }
        : {
            type: node.kind,
            digest: formatDigest(node.digest),
            size: node.size,
            executable: node.kind === "file" ? node.executable : undefined,
          },
  };
}
