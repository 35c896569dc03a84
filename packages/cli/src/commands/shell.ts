/* `firn shell`: a shell that has the programs of some packages on its PATH. */

import { delimiter, join } from "node:path";
import { textOf } from "@firn/base";
import { declareDerivationFlags, derivationFlags } from "../derivation-flags.ts";
import { defineCommand, examples } from "../command.ts";
import { declareExpression, EXPRESSION_PAIR_FLAGS, type ExpressionOptions, expressionOf } from "../expression.ts";
import type { RealiseOptions } from "../realise.ts";
import type { Session } from "../session.ts";
import { applySettings } from "../settings.ts";

type ShellOptions = RealiseOptions & { readonly expression: ExpressionOptions; readonly command: string | undefined };

export const command = defineCommand<ShellOptions>({
  store: "local",
  declare: (command) =>
    declareDerivationFlags(declareExpression(command))
      .option("-c, --command <text>", "run this by the shell instead of asking for commands")
      .addHelpText(
        "after",
        `${examples(
          ["firn shell examples/debian-stdenv -A jq -A sed", "your shell, with jq and sed first on PATH"],
          ["firn shell examples/debian-stdenv -A jq -c 'jq . file.json'", "one command"],
        )}
The shell is $SHELL, or /bin/sh; it sees the host's files, and at the store directory what the
packages need.
`,
      ),
  pairFlags: EXPRESSION_PAIR_FLAGS,
  optionsOf: (operands, given) => {
    const { flags } = applySettings(given);
    return {
      ...derivationFlags(flags),
      expression: expressionOf(operands, given),
      command: flags.command as string | undefined,
    };
  },
  run: shell,
});

async function shell({ expression, command, ...options }: ShellOptions, session: Session): Promise<number> {
  const { evaluateAndBuild, selectedPaths } = await import("../evaluate-and-build.ts"); // loads builder and sandbox
  const { runInStore } = await import("../store-run.ts");
  const { environment } = session.config;
  const store = await session.openStore();
  await using lease = await store.leases.openLease("shell");
  const storePaths = [...new Set(selectedPaths(await evaluateAndBuild(expression, options, session, lease)))];
  const variables = Object.entries(environment).map(([name, value]) => [name, textOf(value)] as const);
  const path = [...storePaths.map((storePath) => join(storePath, "bin")), textOf(environment.PATH ?? "")];
  return await runInStore(
    {
      storePaths,
      program: textOf(environment.SHELL ?? "/bin/sh"),
      args: command === undefined ? [] : ["-c", command],
      env: { ...Object.fromEntries(variables), PATH: path.filter((one) => one !== "").join(delimiter) },
    },
    session,
  );
}
