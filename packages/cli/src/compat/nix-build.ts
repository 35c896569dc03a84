/*
nix-build as C++ Nix 2.35 has it: same flags, settings, exit codes and channels, over Firn's evaluator, store and builder. Paths of outputs go to
stdout, everything else to stderr.

DEVIATION: where the host has no files at the store directory, links lead to the files of the output instead of to its store path
(result-link.ts), so that `./result` can be looked into.
*/

import { existsSync } from "node:fs";
import { parseAbsoluteStorePath } from "@firn/nix-compat";
import { NIX_VERSION } from "@firn/eval";
import { EXIT } from "../error.ts";
import type { EvaluatedDerivation } from "../evaluator/job.ts";
import { realise } from "../realise.ts";
import { linkName, makeResultLink } from "../result-link.ts";
import type { Session } from "../session.ts";
import { addRoot } from "./gc-root.ts";
import { parseNixBuildArguments } from "./nix-build-arguments.ts";
import { NixEvaluation } from "./nix-evaluation.ts";
import { checkAgain, realiseOptionsOf } from "./nix-realise.ts";
import { readNixSettings } from "./nix-settings.ts";
import { noteMissing, targetOf, wantedOutputs } from "./nix-store-realise.ts";
import { openGraph } from "./store-operand.ts";

const HELP = `Usage: nix-build [{--attr | -A} PATH] [--arg NAME EXPR] [--argstr NAME TEXT] [-I ENTRY] [{--out-link | -o} LINK | --no-out-link]
         [--drv-link LINK] [--dry-run] [--check] [--keep-going | -k] [--max-jobs | -j N] [--cores N] [--timeout SECONDS]
         [--max-silent-time SECONDS] [--option NAME VALUE] [--show-trace] {- | [--expr | -E] EXPRESSION... | FILE... | DERIVATION...}
`;

/** Runs a command line (without the program's name). Throws UsageError, EvalFailure, BuildFailed and what the store throws. */
export async function runNixBuild(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<number> {
  const { output } = session;
  const settings = readNixSettings(env);
  const given = parseNixBuildArguments(argv, settings);
  if (given.answer !== undefined) {
    await output.byteString(given.answer === "help" ? HELP : `nix-build (Nix) ${NIX_VERSION}\n`);
    return EXIT.ok;
  }
  const options = realiseOptionsOf(settings);
  const store = await session.openStore();
  await using lease = await store.leases.openLease("nix-build");
  // Derivations among the operands are what they are; all else is evaluated.
  const { operands } = given.evaluation;
  const isDerivation = (operand: string) => !given.evaluation.fromArguments && /\.drv(!.*)?$/.test(operand);
  const graph = await openGraph(session);
  const wanted: EvaluatedDerivation[] = [];
  for (const operand of operands.filter(isDerivation))
    wanted.push(...(await wantedOutputs(targetOf(operand, session), graph, session)));
  if (wanted.length === 0 || operands.some((operand) => !isDerivation(operand))) {
    const expressions = { ...given.evaluation, operands: operands.filter((operand) => !isDerivation(operand)) };
    await using evaluation = new NixEvaluation(expressions, settings, env, session, { realise: options, lease });
    for (const warning of settings.warnings) await output.warn(warning);
    for await (const source of evaluation.sources()) {
      const result = await evaluation.run(source, { kind: "derivations" });
      if (result.kind === "derivations") wanted.push(...result.derivations);
    }
    await evaluation.printStatistics();
  }
  const targets = wanted.map(({ drvPath, outputName }) => targetOf(`${drvPath}!${outputName}`, session));
  await noteMissing(targets, graph, session);
  if (given.dryRun) return EXIT.ok;
  if (given.check) {
    await output.note(`checking outputs of '${[...new Set(wanted.map(({ drvPath }) => drvPath))].join("', '")}'...`);
    return await checkAgain(wanted, options, session, lease);
  }
  const built = await realise(wanted, options, session, lease);
  const numbers = new Map<string, number>();
  for (const { drvPath, outputName } of wanted) {
    const path = built.get(drvPath)?.get(outputName) as string;
    const number = numbers.get(drvPath) ?? numbers.size + 1;
    const numbered = (link: string) => (number === 1 ? link : `${link}-${number}`);
    if (given.drvLink !== undefined && !numbers.has(drvPath)) await addRoot(numbered(given.drvLink), drvPath, session);
    numbers.set(drvPath, number);
    if (given.link !== undefined) await linkOutput(linkName(numbered(given.link), outputName), path, session);
    await output.line(path);
  }
  return EXIT.ok;
}

async function linkOutput(link: string, path: string, session: Session): Promise<void> {
  if (existsSync(path)) await addRoot(link, path, session);
  else await makeResultLink(link, parseAbsoluteStorePath(path, session.config.storeDir), session);
}
