/* `firn develop`: a shell with what a derivation's builder would have around it, for working on what it builds. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { declareDerivationFlags, derivationFlags } from "../derivation-flags.ts";
import { collect, defineCommand, examples } from "../command.ts";
import { instantiate } from "../derivations.ts";
import { CliError } from "../error.ts";
import { declareExpression, EXPRESSION_PAIR_FLAGS, type ExpressionOptions, expressionOf } from "../expression.ts";
import type { RealiseOptions } from "../realise.ts";
import type { Session } from "../session.ts";
import { applySettings } from "../settings.ts";

type DevelopOptions = RealiseOptions & {
  readonly expression: ExpressionOptions;
  readonly command: string | undefined;
  readonly isPure: boolean;
  readonly keep: readonly string[];
};

export const command = defineCommand<DevelopOptions>({
  store: "local",
  declare: (command) =>
    declareDerivationFlags(declareExpression(command))
      .option("-c, --command <text>", "run this by bash instead of asking for commands")
      .option("--phase <name>", "run this phase of the stdenv, such as build, instead of asking for commands")
      .option("-i, --ignore-environment", "leave the environment of the caller out, but for HOME, TERM and the like")
      .option("--keep-env-var <name>", "a variable that is kept all the same; repeatable", collect(String))
      .addHelpText(
        "after",
        `${examples(
          ["firn develop examples/gnu-hello", "bash, with $toolchain, $source and $out of GNU hello"],
          ["firn develop -A hello --phase build", "one phase, in the working directory"],
        )}
What the derivation needs is built, itself it is not. The shell is the bash on PATH; it sees
the host's files, and at the store directory what the derivation needs.
`,
      ),
  pairFlags: EXPRESSION_PAIR_FLAGS,
  optionsOf: (operands, given) => {
    const { flags } = applySettings(given);
    const { command, phase } = flags as { readonly command?: string; readonly phase?: string };
    if (command !== undefined && phase !== undefined)
      throw new CliError("usage", "--command and --phase exclude each other");
    if (phase !== undefined && !/^[A-Za-z_]\w*$/.test(phase))
      throw new CliError("usage", `'${phase}' is no name of a phase`);
    return {
      ...derivationFlags(flags),
      expression: expressionOf(operands, given),
      command: phase === undefined ? command : phaseCommand(phase),
      isPure: flags.ignoreEnvironment === true,
      keep: (flags.keepEnvVar as string[] | undefined) ?? [],
    };
  },
  run: develop,
});

/** As a stdenv runs it: the variable of that name when there is one, else the function; `build` is short for `buildPhase`. */
function phaseCommand(name: string): string {
  const phase = name.endsWith("Phase") ? name : `${name}Phase`;
  return `set -e; if [ "$(type -t runPhase)" = function ]; then runPhase ${phase}; else eval "\${${phase}:-${phase}}"; fi`;
}

/** Where nothing is named, ./shell.nix comes before ./default.nix, as with nix-shell. */
function orShellFile(expression: ExpressionOptions, { config }: Session): ExpressionOptions {
  const { source } = expression;
  const isDefault = source.kind === "file" && source.path === ".";
  if (!isDefault || !existsSync(join(config.workingDirectory, "shell.nix"))) return expression;
  return { ...expression, source: { kind: "file", path: "shell.nix" } };
}

async function develop(
  { expression, command, isPure, keep, ...options }: DevelopOptions,
  session: Session,
): Promise<number> {
  const { enterDerivation } = await import("../derivation-shell.ts"); // loads builder and sandbox, which help can do without
  const store = await session.openStore();
  await using lease = await store.leases.openLease("develop");
  const derivations = await instantiate(orShellFile(expression, session), session, lease, options);
  if (derivations.length !== 1)
    throw new CliError(
      "invalid-target",
      `a shell stands in one derivation, but there are ${derivations.length}: choose one by -A`,
    );
  const [{ drvPath }] = derivations;
  const shell = session.config.environment.NIX_BUILD_SHELL;
  const isInteractive = command === undefined;
  return await enterDerivation(
    { drvPath, isPure, keep, command, isInteractive, exclude: [], shell },
    options,
    session,
    lease,
  );
}
