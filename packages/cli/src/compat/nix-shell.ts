/*
nix-shell as C++ Nix 2.35 has it: same flags, and scripts that name it as their interpreter. The shell is the host's bash, or the one named in
$NIX_BUILD_SHELL.

DEVIATION: no bash is built from <nixpkgs> for it.
*/

import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { NIX_VERSION } from "@firn/eval";
import { enterDerivation } from "../derivation-shell.ts";
import { CliError, EXIT } from "../error.ts";
import type { EvaluatedDerivation } from "../evaluator/job.ts";
import type { Session } from "../session.ts";
import { NixEvaluation } from "./nix-evaluation.ts";
import { realiseOptionsOf } from "./nix-realise.ts";
import { readNixSettings } from "./nix-settings.ts";
import { type NixShellArguments, parseNixShellArguments } from "./nix-shell-arguments.ts";
import { targetOf } from "./nix-store-realise.ts";

const HELP = `Usage: nix-shell [--run COMMAND | --command COMMAND] [--pure [--keep NAME]...] [--exclude PATTERN] [{--attr | -A} PATH]
         [--arg NAME EXPR] [--argstr NAME TEXT] [-I ENTRY] [--option NAME VALUE]
         {{--packages | -p} PACKAGE... | [--expr | -E] EXPRESSION | FILE | DERIVATION}
       #! nix-shell -i INTERPRETER ...    in a script's lines after the first
`;

/** Runs a command line (without the program's name) and yields the shell's exit code. Throws UsageError, EvalFailure, BuildFailed. */
export async function runNixShell(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<number> {
  const { output, config } = session;
  const settings = readNixSettings(env);
  const given = parseNixShellArguments(argv, settings, config.workingDirectory);
  if (given.answer !== undefined) {
    await output.byteString(given.answer === "help" ? HELP : `nix-shell (Nix) ${NIX_VERSION}\n`);
    return EXIT.ok;
  }
  const options = realiseOptionsOf(settings);
  const store = await session.openStore();
  await using lease = await store.leases.openLease("nix-shell");
  let drvPath = derivationOperand(given, session);
  if (drvPath === undefined) {
    const expressions = expressionsOf(given, config.workingDirectory);
    await using evaluation = new NixEvaluation(expressions, settings, env, session, { realise: options, lease });
    for (const warning of settings.warnings) await output.warn(warning);
    // A function may want to know.
    const args = given.isPackages ? [] : [{ name: "inNixShell", kind: "expr", value: "true" } as const];
    const found: EvaluatedDerivation[] = [];
    for await (const source of evaluation.sources(
      existsSync(resolve(config.workingDirectory, "shell.nix")) ? "./shell.nix" : undefined,
    )) {
      const result = await evaluation.run(source, { kind: "derivations" }, { args });
      if (result.kind === "derivations") found.push(...result.derivations);
    }
    if (found.length !== 1)
      throw new CliError("invalid-target", `nix-shell requires a single derivation, got ${found.length}`);
    drvPath = found[0].drvPath;
  }
  const { isPure, keep, command, isInteractive, exclude } = given;
  const shell = env.NIX_BUILD_SHELL;
  return await enterDerivation(
    { drvPath, isPure, keep, command, isInteractive, exclude, shell },
    options,
    session,
    lease,
  );
}

/** The derivation, when the only operand is one's path. */
function derivationOperand({ evaluation, isPackages }: NixShellArguments, session: Session): string | undefined {
  const [operand] = evaluation.operands;
  if (isPackages || evaluation.fromArguments || evaluation.operands.length !== 1 || !operand.endsWith(".drv"))
    return undefined;
  return targetOf(operand, session).path.absolute(session.config.storeDir);
}

/** What is to be evaluated: one expression that brings packages together, or what was named. */
function expressionsOf({ evaluation, isPackages, baseDirectory }: NixShellArguments, workingDirectory: string) {
  const base = baseDirectory ?? workingDirectory;
  if (isPackages) {
    const packages = evaluation.operands.map((operand) => `(${operand})`).join(" ");
    const shell = `with import <nixpkgs> { }; (pkgs.runCommandCC or pkgs.runCommand) "shell" { buildInputs = [ ${packages} ]; } ""`;
    return { ...evaluation, fromArguments: true, operands: [shell] };
  }
  if (evaluation.fromArguments) return evaluation;
  const operands = evaluation.operands.map((operand) => {
    if (/^<[^<>]+>$/.test(operand)) return operand;
    const path = resolve(base, operand);
    const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
    return isDirectory && existsSync(join(path, "shell.nix")) ? join(path, "shell.nix") : path;
  });
  return { ...evaluation, operands };
}
