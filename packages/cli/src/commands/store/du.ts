/* `firn store du`: what paths take, as trees, as distinct files and as distinct chunks. */

import { diskUsage, type PathInfo } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { humanBytes } from "../../live-line.ts";
import { closurePaths, namedPaths } from "../../path-selection.ts";
import type { Session } from "../../session.ts";

export type DuOptions = {
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly human: boolean;
  readonly json: boolean;
};

export const command = defineCommand<DuOptions>({
  store: "any",
  declare: (command) =>
    command
      .helpOption("--help", "print help")
      .argument("[path...]", "store paths, or links to results; all of the store without any")
      .option("-r, --recursive", "all they refer to as well")
      .option("-h, --human-readable", "sizes with units")
      .option("--json", "print {paths, total}")
      .addHelpText(
        "after",
        `
Columns: logical (bytes of all files), unique (each content once), chunks (each chunk once, before compression), own
(chunks that no other path shown has), path. The last line is all of them together.
${examples(["firn store du -rh ./result", "what a result needs, and what of it is shared"])}`,
      ),
  optionsOf: (operands, flags) => ({
    paths: operands,
    recursive: flags.recursive === true,
    human: flags.humanReadable === true,
    json: flags.json === true,
  }),
  run: measure,
});

async function measure({ paths, recursive, human, json }: DuOptions, session: Session): Promise<undefined> {
  const { output, signal, config } = session;
  const store = await session.openServices();
  let infos: PathInfo[];
  if (paths.length === 0) infos = await Array.fromAsync(store.pathInfos.list({ signal }));
  else infos = await (recursive ? closurePaths : namedPaths)(paths, store, session);
  const usage = await diskUsage(infos, store, { signal });
  if (json) {
    const rows = usage.paths.map(({ info, ...sizes }) => ({ path: info.path.absolute(config.storeDir), ...sizes }));
    await output.json({ paths: rows, total: usage.total });
    return undefined;
  }
  const row = (sizes: readonly (number | undefined)[], name: string) =>
    output.line(
      `${sizes.map((bytes) => (bytes === undefined ? "" : human ? humanBytes(bytes) : String(bytes)).padStart(13)).join("")}  ${name}`,
    );
  for (const { info, logicalBytes, uniqueBytes, chunkBytes, ownBytes } of usage.paths)
    await row([logicalBytes, uniqueBytes, chunkBytes, ownBytes], info.path.absolute(config.storeDir));
  const { logicalBytes, uniqueBytes, chunkBytes } = usage.total;
  await row([logicalBytes, uniqueBytes, chunkBytes, undefined], `all ${usage.paths.length} paths`);
  return undefined;
}
