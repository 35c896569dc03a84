/*
nix-instantiate as C++ Nix 2.35 has it: same flags, settings, exit codes and channels, over Firn's evaluator and store. Values, trees and
paths go to stdout as the evaluator's bytes; everything else to stderr.
*/

import { byteStringOfText } from "@firn/base";
import { NIX_VERSION } from "@firn/eval";
import type { EvalOutput, EvalSource } from "../evaluator/job.ts";
import type { Session } from "../session.ts";
import { addRoot } from "./gc-root.ts";
import { type NixArguments, parseNixArguments } from "./nix-arguments.ts";
import { NixEvaluation } from "./nix-evaluation.ts";
import { readNixSettings } from "./nix-settings.ts";

const HELP = `Usage: nix-instantiate [--parse | --eval [--strict] [--raw | --json | --xml [--no-location]]] [--read-write-mode]
         [--arg NAME EXPR] [--argstr NAME TEXT] [{--attr | -A} PATH] [--add-root PATH] [-I ENTRY] [--option NAME VALUE]
         [--show-trace] {- | [--expr | -E] EXPRESSION... | FILE...}
       nix-instantiate --find-file NAME...
`;

/** Runs a command line (without the program's name). Throws UsageError, EvalFailure and what the store throws. */
export async function runNixInstantiate(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<void> {
  const { output } = session;
  const settings = readNixSettings(env);
  const given = parseNixArguments(argv, settings);
  if (given.answer === "help") return output.bytes(Buffer.from(HELP));
  if (given.answer === "version") return output.line(`nix-instantiate (Nix) ${NIX_VERSION}`);
  await using evaluation = new NixEvaluation(given.evaluation, settings, env, session);
  for (const warning of settings.warnings) await output.warn(warning);
  const keepsNothing = given.dryRun || env.NIX_REMOTE?.startsWith("dummy://") === true;
  const run = printer(evaluation, given, keepsNothing, session);
  if (given.findFile) {
    const names = given.evaluation.operands.map(byteStringOfText);
    await run(evaluation.source("null"), { kind: "find-file", names });
  } else for await (const source of evaluation.sources()) await run(source, outputOf(given));
  await evaluation.printStatistics();
}

function outputOf({ parse, evaluate, strict, format, location }: NixArguments): EvalOutput {
  if (parse) return { kind: "parse" };
  return evaluate ? { kind: "value", strict, format, location } : { kind: "derivations" };
}

/** Evaluates and prints. Links of `--add-root` are numbered over all expressions. */
function printer(evaluation: NixEvaluation, given: NixArguments, keepsNothing: boolean, session: Session) {
  const { output } = session;
  let rootNumber = 0;
  return async (source: EvalSource, what: EvalOutput): Promise<void> => {
    const result = await evaluation.run(source, what, { keepsNothing });
    if (result.kind === "printed") {
      const end = what.kind === "value" && (what.format === "raw" || what.format === "xml") ? "" : "\n";
      for (const text of result.texts) await output.byteString(text + end);
      return;
    }
    for (const { drvPath, outputName } of result.derivations) {
      const root = given.root === undefined ? undefined : ++rootNumber > 1 ? `${given.root}-${rootNumber}` : given.root;
      if (root === undefined)
        await output.noteOnce(
          "warning: you did not specify '--add-root'; the result might be removed by the garbage collector",
        );
      const shown = root === undefined || given.dryRun ? drvPath : await addRoot(root, drvPath, session);
      await output.line(shown + (outputName === "out" ? "" : `!${outputName}`));
    }
  };
}
