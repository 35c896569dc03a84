/*
`firn drv show`: what a .drv file says, laid out for people, or as the JSON of `nix derivation show`.
*/

import { textOf } from "@firn/base";
import type { Derivation } from "@firn/nix-compat";
import { defineCommand, examples } from "../../command.ts";
import { readDerivation } from "../../derivation-file.ts";
import type { Session } from "../../session.ts";

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
