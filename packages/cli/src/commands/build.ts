/*
`firn build`: makes sure that what an expression describes is in the store, and leaves links to it.
*/

import { resolve } from "node:path";
import type { Lease } from "@firn/castore";
import { parseAbsoluteStorePath } from "@firn/nix-compat";
import { declareDerivationFlags, derivationFlags } from "../derivation-flags.ts";
import { defineCommand, examples } from "../command.ts";
import { instantiate } from "../derivations.ts";
import { CliError, EXIT } from "../error.ts";
import {
  declareExpression,
  EXPRESSION_PAIR_FLAGS,
  type ExpressionOptions,
  expressionOf,
  wholeNumber,
} from "../expression.ts";
import { addGeneration, checkProfile, profileLink } from "../profile.ts";
import { checkReplaceable, linkName, makeResultLink } from "../result-link.ts";
import type { Session } from "../session.ts";
import type { RealiseOptions } from "../realise.ts";
import { applySettings } from "../settings.ts";
import { parseStoreChoice } from "../store-choice.ts";

export type BuildCommandOptions = RealiseOptions & {
  readonly expression: ExpressionOptions;
  /** Undefined: no link. */
  readonly link: string | undefined;
  /** Whose newest generation the result becomes. */
  readonly profile: string | undefined;
  /** The daemon that builds, as it was written. */
  readonly builder: string | undefined;
  /** Says what would be built, and builds nothing. */
  readonly dryRun: boolean;
  /** How often what is built is built again and compared, or once as ever. */
  readonly check: number | "as-usual" | undefined;
  readonly json: boolean;
};

export const command = defineCommand<BuildCommandOptions>({
  store: "local",
  declare: (command) =>
    declareDerivationFlags(declareExpression(command))
      .option("-o, --out-link <link>", "where the link to the result is made (default: result)")
      .option("--no-link", "make no link")
      .option("--profile <profile>", "make the result a profile's newest generation; no link unless -o names one")
      .option("--builder <daemon>", "let a Nix daemon build: daemon:SOCKET, or daemon: for this machine's")
      .option("--dry-run", "say what would be built, and build nothing")
      .option(
        "--check <n>",
        "build again N times (1), with what should not matter changed, and say what came out differently",
      )
      .option("--rebuild", "build again as ever, and say what came out differently")
      .option("--json", "print a list of {attrPath, drvPath, outputs}")
      .addHelpText(
        "after",
        `${examples(
          ["firn build examples/hello", "builds it, leaves ./result, prints the store path"],
          ["firn build examples/hello -A words.doc", "one output of one of its attributes; leaves ./result-doc"],
          ["firn build examples/hello --profile tools", "makes it what $FIRN_HOME/profiles/tools leads to"],
          ["firn build --substituters https://cache.nixos.org", "takes from there what it can, builds the rest"],
          ["firn build examples/hello --check=2", "whether it comes out the same whenever and wherever it is built"],
          ["firn run ./result/bin/hello", "runs a program that was built"],
        )}
The links lead to the files of the result below $FIRN_HOME, and keep it from being
collected as garbage for as long as they are there.
`,
      ),
  pairFlags: EXPRESSION_PAIR_FLAGS,
  loneFlags: { "--check": "1" },
  optionsOf,
  run: build,
});

function optionsOf(operands: readonly string[], given: Readonly<Record<string, unknown>>): BuildCommandOptions {
  const flags = applySettings(given).flags as Readonly<Record<string, string | boolean | undefined>>;
  const text = (name: string) => flags[name] as string | undefined;
  const checks = flags.rebuild === true || flags.check !== undefined;
  if (checks && flags.builder !== undefined)
    throw new CliError("usage", "--check and --rebuild compare builds of this machine: leave --builder out");
  if (flags.link === false && flags.outLink !== undefined)
    throw new CliError("usage", "--out-link and --no-link exclude each other");
  return {
    expression: expressionOf(operands, given),
    link:
      flags.link === false ? undefined : (text("outLink") ?? (text("profile") === undefined ? "result" : undefined)),
    profile: text("profile"),
    ...derivationFlags(flags),
    builder: text("builder"),
    dryRun: flags.dryRun === true,
    check:
      flags.rebuild === true
        ? "as-usual"
        : text("check") === undefined
          ? undefined
          : wholeNumber("--check", text("check") as string, 1),
    json: flags.json === true,
  };
}

/** The socket of the daemon that builds. */
function daemonSocketOf(text: string | undefined, session: Session): string | undefined {
  if (text === undefined) return undefined;
  const choice = parseStoreChoice(text, session.config.workingDirectory);
  if (choice.kind === "daemon") return choice.socketPath;
  throw new CliError("usage", `--builder is a Nix daemon, daemon:SOCKET, not '${text}'`);
}

async function build(given: BuildCommandOptions, session: Session): Promise<number | undefined> {
  const options = { ...given, daemonSocket: daemonSocketOf(given.builder, session) };
  const { output, config } = session;
  // Asked now: after a long build it would be a pity to learn that the link cannot be made.
  if (options.link !== undefined) await checkReplaceable(resolve(config.workingDirectory, options.link));
  const profile = options.profile === undefined ? undefined : profileLink(options.profile, session);
  if (profile !== undefined) await checkProfile(profile);
  const store = await session.openStore();
  await using lease = await store.leases.openLease("build");
  if (options.dryRun) return await sayWhatIsMissing(options, session, lease);
  if (options.check !== undefined) return await checkBuilds(options, options.check, session, lease);
  const { evaluateAndBuild } = await import("../evaluate-and-build.ts"); // loads builder and sandbox, which help can do without
  const { derivations, built } = await evaluateAndBuild(options.expression, options, session, lease, (found) => {
    if (profile !== undefined && found > 1)
      throw new CliError("usage", "a generation of a profile is one result, but there are more: choose one by -A");
  });
  const rows = [];
  for (const [index, { attrPath, drvPath, outputName }] of derivations.entries()) {
    const path = built.get(drvPath)?.get(outputName) as string;
    const storePath = parseAbsoluteStorePath(path, config.storeDir);
    if (options.link !== undefined) {
      const numbered = index === 0 ? options.link : `${options.link}-${index + 1}`;
      await makeResultLink(linkName(numbered, outputName), storePath, session);
    }
    if (profile !== undefined) await addGeneration(profile, storePath, session);
    rows.push({ attrPath, drvPath, outputs: { [outputName]: path } });
    if (!options.json) await output.line(path);
  }
  if (options.json) await output.json(rows);
  return undefined;
}

async function sayWhatIsMissing(options: BuildCommandOptions, session: Session, lease: Lease): Promise<undefined> {
  const { output } = session;
  const { missingDerivations, tellMissing } = await import("../missing-derivations.ts");
  const derivations = await instantiate(options.expression, session, lease, options);
  const missing = await missingDerivations(derivations, options, session, lease);
  await tellMissing(missing, output);
  if (options.json)
    await output.json(
      derivations.map(({ attrPath, drvPath, outputName, outputs }) => ({
        attrPath,
        drvPath,
        outputs: { [outputName]: outputs.find(({ name }) => name === outputName)?.path },
      })),
    );
  return undefined;
}

/** Yields 104 when something came out differently, as C++ Nix does. */
async function checkBuilds(
  options: BuildCommandOptions,
  rounds: number | "as-usual",
  session: Session,
  lease: Lease,
): Promise<number> {
  const { output } = session;
  const { Realiser } = await import("../realise.ts"); // loads builder and sandbox, which help can do without
  const { checkJson, checkText, isReproducible } = await import("../check-report.ts");
  using realiser = new Realiser(options, session, lease);
  const derivations = await instantiate(options.expression, session, lease, realiser);
  const rows: object[] = [];
  let areSame = true;
  for (const drvPath of new Set(derivations.map((derivation) => derivation.drvPath))) {
    const checked = await realiser.check(drvPath, rounds);
    areSame &&= isReproducible(checked);
    if (options.json) rows.push(checkJson(checked));
    else await output.byteString(checkText(checked));
  }
  if (options.json) await output.json(rows);
  return areSame ? EXIT.ok : EXIT.notReproducible;
}
