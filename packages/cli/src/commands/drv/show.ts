/*
`firn drv show`: what a .drv file says, laid out for people, or as the JSON of `nix derivation show`.
*/

import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { byteStringOf, textOf } from "@firn/base";
import { readBlob } from "@firn/castore";
import { type Derivation, DERIVATION_BYTES_MAX, isBelowStoreDir, parseDerivation } from "@firn/nix-compat";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { isErrno } from "../../report.ts";
import type { Session } from "../../session.ts";
import { findTarget } from "../../store-target.ts";

export type ShowOptions = { readonly paths: readonly string[]; readonly json: boolean };

export const command = defineCommand<ShowOptions>({
  store: "local",
  declare: (command) =>
    command
      .argument(
        "<drv...>",
        "store paths of derivations, .drv files of the host, or results, which know what built them",
      )
      .option("--json", "print as `nix derivation show` does")
      .addHelpText("after", examples(["firn drv show $(firn instantiate ./hello)", "what building ./hello would do"])),
  optionsOf: (operands, flags) => ({ paths: operands, json: flags.json === true }),
  run: show,
});

async function show({ paths, json }: ShowOptions, session: Session): Promise<undefined> {
  const found: [string, Derivation][] = [];
  for (const path of paths) found.push(await readDerivation(path, session));
  if (json) await session.output.json(Object.fromEntries(found.map(([path, drv]) => [path, jsonOf(drv)])));
  else for (const [path, drv] of found) await session.output.byteString(textFor(path, drv));
  return undefined;
}

async function readDerivation(path: string, session: Session): Promise<[string, Derivation]> {
  const { storeDir, workingDirectory } = session.config;
  if (!path.endsWith(".drv")) {
    const { deriver } = (await findTarget(path, session)).info;
    if (deriver !== undefined) return readDerivation(deriver.absolute(storeDir), session);
    throw new CliError("invalid-target", `'${path}' is not a derivation, and what built it is not known`);
  }
  if (isBelowStoreDir(path, storeDir)) {
    const { node, path: storePath } = await findTarget(path, session);
    if (node.kind !== "file") throw new CliError("invalid-target", `'${path}' is a ${node.kind}, not a derivation`);
    const { blobs } = await session.openStore();
    const text = byteStringOf(await readBlob(blobs, node.digest, DERIVATION_BYTES_MAX, { signal: session.signal }));
    return [storePath.absolute(storeDir), parseDerivation(text, storePath.name.slice(0, -".drv".length), storeDir)];
  }
  const hostPath = resolve(workingDirectory, path);
  const bytes = await readFile(hostPath).catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT")) throw new CliError("not-found", `'${path}' does not exist`);
    throw thrown;
  });
  // A copy of a store's file has the hash part before its name.
  const name = basename(hostPath, ".drv").replace(/^[0-9a-z]{32}-/, "");
  return [hostPath, parseDerivation(byteStringOf(bytes), name, storeDir)];
}

function jsonOf(drv: Derivation): object {
  return {
    args: drv.args.map(textOf),
    builder: textOf(drv.builder),
    env: Object.fromEntries(Array.from(drv.env, ([name, value]) => [textOf(name), textOf(value)])),
    inputDrvs: Object.fromEntries(
      Array.from(drv.inputDrvs, ([path, outputs]) => [path, { dynamicOutputs: {}, outputs }]),
    ),
    inputSrcs: drv.inputSrcs,
    name: drv.name,
    outputs: Object.fromEntries(
      Array.from(drv.outputs, ([name, { path, hashAlgorithm, hash }]) => [
        name,
        {
          ...(hash === "" ? {} : { hash }),
          ...(hashAlgorithm === "" ? {} : { hashAlgo: hashAlgorithm }),
          ...(path === "" ? {} : { path }),
        },
      ]),
    ),
    system: textOf(drv.system),
  };
}

/** A byte string: values are shown as they are, further lines indented below the first. */
function textFor(path: string, drv: Derivation): string {
  const lines = [path, `  name     ${drv.name}`, `  system   ${drv.system}`, `  builder  ${drv.builder}`];
  const section = (title: string, rows: readonly string[]) => {
    if (rows.length > 0) lines.push(`  ${title}`, ...rows.map((row) => `    ${row.split("\n").join("\n      ")}`));
  };
  section("arguments", drv.args);
  section(
    "outputs",
    Array.from(drv.outputs, ([name, { kind, path: outputPath, hashAlgorithm, hash }]) => {
      const promise = hash === "" ? "" : ` (${hashAlgorithm}:${hash})`;
      return `${name} = ${outputPath === "" ? kind : outputPath}${promise}`;
    }),
  );
  section(
    "input derivations",
    Array.from(drv.inputDrvs, ([input, outputs]) => `${input} (${outputs.join(", ")})`),
  );
  section("input sources", drv.inputSrcs);
  section(
    "environment",
    Array.from(drv.env, ([name, value]) => `${name} = ${value}`),
  );
  return `${lines.join("\n")}\n`;
}
