/* `firn store dump`: a tree of the store as a NAR, byte for byte what `nix-store --dump` makes of the same files. */

import { renderNar } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import type { Session } from "../../session.ts";
import { findTarget } from "../../store-target.ts";

export type DumpOptions = { readonly path: string };

export const command = defineCommand<DumpOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<path>", "a store path, something inside one, or a link to a result")
      .addHelpText("after", examples(["firn store dump ./result > hello.nar", "writes the NAR to a file"])),
  optionsOf: ([path]) => ({ path }),
  run: dump,
});

async function dump({ path }: DumpOptions, session: Session): Promise<undefined> {
  const { output, signal } = session;
  const { node } = await findTarget(path, session);
  if (output.stdout.isTerminal) {
    throw new CliError("invalid-target", "a NAR is binary and would confuse the terminal: send it to a file or a pipe");
  }
  for await (const chunk of renderNar(node, await session.openServices(), { signal })) await output.bytes(chunk);
  return undefined;
}
