/* `firn store sign`: signatures by one's own key, in Nix's way and Firn's. */

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf } from "@firn/base";
import { parseSecretKey, type SecretKey } from "@firn/nix-compat";
import { type PathInfo, type Realisation, type SignatureScheme, signPathInfo, signRealisation } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import type { OpenedStore } from "../../opened-store.ts";
import { closurePaths, namedPaths } from "../../path-selection.ts";
import type { Session } from "../../session.ts";

export type SignOptions = {
  readonly paths: readonly string[];
  readonly keyFile: string;
  readonly recursive: boolean;
  readonly schemes: readonly SignatureScheme[];
  readonly json: boolean;
};

const SCHEMES = { nix: ["nix"], firn: ["firn"], both: ["nix", "firn"] } as const;

export const command = defineCommand<SignOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<path...>", "store paths, or links to results")
      .requiredOption("-k, --key-file <file>", "file with a secret key, as `firn key generate` prints")
      .option("-r, --recursive", "all they refer to as well")
      .option("--scheme <scheme>", "nix, firn or both", "both")
      .option("--json", "print a list of {path, signatures}, signatures being how many were added")
      .addHelpText("after", examples(["firn store sign -r -k secret.key ./result", "a result and all it needs"])),
  optionsOf: (operands, flags) => {
    const scheme = flags.scheme as string;
    if (!Object.hasOwn(SCHEMES, scheme)) throw new CliError("usage", `--scheme is nix, firn or both, got '${scheme}'`);
    return {
      paths: operands,
      keyFile: flags.keyFile as string,
      recursive: flags.recursive === true,
      schemes: SCHEMES[scheme as keyof typeof SCHEMES],
      json: flags.json === true,
    };
  },
  run: sign,
});

async function sign({ paths, keyFile, recursive, schemes, json }: SignOptions, session: Session): Promise<undefined> {
  const { output, config, signal } = session;
  const key = await readSecretKey(keyFile, session);
  const store = await session.openServices();
  const infos = await (recursive ? closurePaths : namedPaths)(paths, store, session);
  const rows: { path: string; signatures: number }[] = [];
  for (const info of infos) {
    const signed = await signPathInfo(info, [key], schemes, config.storeDir);
    const signatures = signed.signatures.length - info.signatures.length;
    if (signatures > 0) await store.pathInfos.put([signed], { signal });
    rows.push({ path: info.path.absolute(config.storeDir), signatures });
  }
  const realised = await signRealisations(infos, key, store, signal);
  if (json) await output.json(rows);
  else {
    const added = rows.reduce((sum, row) => sum + row.signatures, 0);
    const more = realised === 0 ? "" : `, and ${realised} to what derivations they came out of`;
    await output.note(`added ${added} signatures by ${key} to ${rows.length} paths${more}`);
  }
  return undefined;
}

/** Signs what derivations the paths came out of, where the store knows; yields how many were not signed before. */
async function signRealisations(
  infos: readonly PathInfo[],
  key: SecretKey,
  { realisations }: OpenedStore,
  signal: AbortSignal,
): Promise<number> {
  if (realisations === undefined) return 0;
  const paths = new Set(infos.map(({ path }) => path.toString()));
  const signed: Realisation[] = [];
  for await (const realisation of realisations.list({ signal })) {
    if (!paths.has(realisation.path.toString())) continue;
    const one = await signRealisation(realisation, [key]);
    if (one.signatures.length > realisation.signatures.length) signed.push(one);
  }
  if (signed.length > 0) await realisations.put(signed, { signal });
  return signed.length;
}

/** Reads a key file. Throws `not-found` or `invalid-target`, without quoting anything of it. */
export async function readSecretKey(file: string, { config }: Session): Promise<SecretKey> {
  let text: string;
  try {
    text = await readFile(resolve(config.workingDirectory, file), "utf8");
  } catch (thrown) {
    throw new CliError("not-found", `the key file '${file}' cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  }
  try {
    return parseSecretKey(text);
  } catch (thrown) {
    throw new CliError("invalid-target", `'${file}' holds no secret key: ${messageOf(thrown)}`, { cause: thrown });
  }
}
