/*
`firn store add`: a copy of something on the host as a content-addressed store path, the one `nix-store --add` computes.
*/

import { basename, resolve } from "node:path";
import { makeFixedOutputPath } from "@firn/nix-compat";
import { calculateNar } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { isErrno } from "../../report.ts";
import type { Session } from "../../session.ts";
import { lstat } from "node:fs/promises";

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
    const one = await addOne(path, name, session);
    added.push(one);
    if (!json) await output.line(one.path);
  }
  if (json) await output.json(added);
  return undefined;

  async function addOne(given: string, givenName: string | undefined, { signal }: Session) {
    const hostPath = resolve(config.workingDirectory, given);
    await lstat(hostPath).catch((thrown: unknown) => {
      if (isErrno(thrown, "ENOENT")) throw new CliError("not-found", `'${given}' does not exist`);
      throw thrown;
    });
    const store = await session.openStore();
    await using lease = await store.leases.openLease(`add ${given}`);
    const options = { lease, signal };
    const node = await store.importer.importTree(hostPath, options);
    const { narSha256, narSize } = await calculateNar(node, store, options);
    const hash = { algorithm: "sha256", bytes: narSha256 } as const;
    const storePath = makeFixedOutputPath(
      { method: "nar", hash, name: givenName ?? basename(hostPath) },
      config.storeDir,
    );
    const registeredAt = Math.floor(Date.now() / 1000);
    const contentAddress = { method: "nar", hash } as const;
    await store.pathInfos.put(
      [{ path: storePath, node, narSha256, narSize, references: [], contentAddress, signatures: [], registeredAt }],
      options,
    );
    const { printHash } = await import("@firn/hash");
    return { path: storePath.absolute(config.storeDir), narHash: printHash(hash, "sri"), narSize };
  }
}
