/* `firn store import`: what `firn store export` wrote. What was stopped or cut goes on when it is run again. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf } from "@firn/base";
import { type PublicKey, parsePublicKey } from "@firn/nix-compat";
import { importClosure, StoreError, TrustedKeys } from "@firn/store";
import { collect, defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { humanBytes, LiveLine } from "../../live-line.ts";
import type { Session } from "../../session.ts";

export type ImportOptions = {
  readonly file: string | undefined;
  readonly keys: readonly PublicKey[];
  readonly json: boolean;
};

export const command = defineCommand<ImportOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("[file]", "the archive; standard input without it or with -")
      .option("--trusted-key <key>", "refuse paths that no such key (name:base64) signed; repeatable", collect(keyOf))
      .option("--json", "print the paths as a list")
      .addHelpText(
        "after",
        examples(
          ["firn store import hello.firn", "prints the paths it holds"],
          ["firn store import --trusted-key example-1:…= hello.firn", "only what that key signed"],
        ),
      ),
  optionsOf: ([file], flags) => ({
    file: file === "-" ? undefined : file,
    keys: (flags.trustedKey as PublicKey[] | undefined) ?? [],
    json: flags.json === true,
  }),
  run: importPaths,
});

function keyOf(text: string): PublicKey {
  try {
    return parsePublicKey(text);
  } catch (thrown) {
    throw new CliError("usage", `--trusted-key takes name:base64: ${messageOf(thrown)}`, { cause: thrown });
  }
}

async function importPaths({ file, keys, json }: ImportOptions, session: Session): Promise<undefined> {
  const { output, signal, config } = session;
  const archive = file === undefined ? session.stdin() : await fileStream(resolve(config.workingDirectory, file), file);
  const store = await session.openServices();
  await using lease = await store.openLease(`import ${file ?? "of standard input"}`);
  const trusted = new TrustedKeys(keys);
  using line = new LiveLine(output);
  const paths = await importClosure(archive, store, {
    signal,
    lease,
    registeredAt: Math.floor(Date.now() / 1000),
    onProgress: ({ paths: done, bytes }) => line.show(() => `importing: ${done} paths, ${humanBytes(bytes)}`),
    check: async (info) => {
      if (keys.length === 0) return;
      const { nix, firn } = await trusted.check(info, config.storeDir);
      if (nix.length + firn.length === 0)
        throw new StoreError(
          "untrusted",
          `no trusted key signed ${info.path}: it and what comes after it are not imported`,
        );
    },
  });
  line[Symbol.dispose]();
  const printed = paths.map((path) => path.absolute(config.storeDir));
  if (json) await output.json(printed);
  else for (const path of printed) await output.line(path);
  return undefined;
}

async function fileStream(hostPath: string, file: string) {
  const stats = await stat(hostPath).catch((thrown: unknown) => {
    throw new CliError("not-found", `'${file}' cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  });
  if (stats.isDirectory()) throw new CliError("invalid-target", `'${file}' is a directory, not an archive`);
  return createReadStream(hostPath, { highWaterMark: 1 << 20 });
}
