/*
`firn store add`: a copy of something on the host as a content-addressed store path, the one `nix-store --add` computes.
*/

import { basename, resolve } from "node:path";
import { printHash } from "@firn/hash";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { addHostPath } from "../../host-path-add.ts";
import type { Session } from "../../session.ts";

export type AddOptions = {
  readonly paths: readonly string[];
  readonly name: string | undefined;
  readonly json: boolean;
};

export const command = defineCommand<AddOptions>({
  declare: (command) =>
    command
      .argument("<path...>", "files or directories of the host")
      .option("-n, --name <name>", "name of the store path (default: that of the file)")
      .option("--json", "print a list of {path, narHash, narSize}")
      .addHelpText(
        "after",
        examples(
          ["firn store add ./src", "copies ./src, prints its store path"],
          ["firn store add --name source .", "under another name"],
        ),
      ),
  optionsOf: (operands, flags) => {
    const name = flags.name as string | undefined;
    if (name !== undefined && operands.length > 1) throw new CliError("usage", "--name names one path, not several");
    return { paths: operands, name, json: flags.json === true };
  },
  run: addToStore,
});

async function addToStore({ paths, name, json }: AddOptions, session: Session): Promise<undefined> {
  const { output, config } = session;
  const added = [];
  for (const path of paths) {
    const info = await addHostPath(
      path,
      { name: name ?? basename(resolve(config.workingDirectory, path)), method: "nar", algorithm: "sha256" },
      session,
    );
    const storePath = info.path.absolute(config.storeDir);
    const narHash = printHash({ algorithm: "sha256", bytes: info.narSha256 }, "sri");
    added.push({ path: storePath, narHash, narSize: info.narSize });
    if (!json) await output.line(storePath);
  }
  if (json) await output.json(added);
  return undefined;
}
