/* `firn store cat`: the bytes of a file of the store. */

import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import type { Session } from "../../session.ts";
import { findTarget } from "../../store-target.ts";

export type CatOptions = { readonly path: string };

export const command = defineCommand<CatOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<path>", "a file: below a store path, or through a link to a result")
      .addHelpText("after", examples(["firn store cat ./result/share/doc/README", "prints that file"])),
  optionsOf: ([path]) => ({ path }),
  run: printFile,
});

async function printFile({ path }: CatOptions, session: Session): Promise<undefined> {
  const { node } = await findTarget(path, session);
  if (node.kind === "directory")
    throw new CliError("invalid-target", `'${path}' is a directory; \`firn store ls\` lists it`);
  if (node.kind === "symlink") throw new CliError("invalid-target", `'${path}' is a symlink to '${node.target}'`);
  const { blobs } = await session.openServices();
  await using reader = await blobs.openRead(node.digest, { signal: session.signal });
  if (reader === undefined)
    throw new CliError("not-found", `the contents of '${path}' (${node.digest}) are missing in the store`);
  for await (const chunk of reader.stream()) await session.output.bytes(chunk);
  return undefined;
}
