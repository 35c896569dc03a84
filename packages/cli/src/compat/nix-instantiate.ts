/*
nix-instantiate as C++ Nix 2.35 has it: same flags, settings, exit codes and channels, over Firn's evaluator and store. Values, trees and
paths go to stdout as the evaluator's bytes; everything else to stderr.
*/

import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { byteStringOf, byteStringOfText, textOf } from "@firn/base";
import { NIX_VERSION } from "@firn/eval";
import type { PendingObject } from "@firn/glue";
import { parseSearchPath } from "../config.ts";
import { EvaluationWaits } from "../evaluation-waits.ts";
import { EvaluatorHost, type RequestOptions } from "../evaluator/host.ts";
import type { EvalArgument, EvalJob, EvalOutput, EvalSource } from "../evaluator/job.ts";
import { NodeFetcher } from "../node-fetcher.ts";
import { sayLogged } from "../logged.ts";
import type { Session } from "../session.ts";
import { printStatistics } from "../statistics.ts";
import { addRoot } from "./gc-root.ts";
import { type NixArgument, type NixArguments, parseNixArguments } from "./nix-arguments.ts";
import { type NixSettings, readNixSettings } from "./nix-settings.ts";

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
  const features = settings.features();
  for (const warning of settings.warnings) await output.warn(warning);
  const host = new EvaluatorHost(evaluatorSettings(given, settings, features, env, session));
  try {
    await runOn(host, given, env, session);
    await printStatistics(host, session, env.NIX_SHOW_STATS_PATH);
  } finally {
    await host.close();
  }
}

function evaluatorSettings(
  given: NixArguments,
  settings: NixSettings,
  features: ReadonlySet<string>,
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): ConstructorParameters<typeof EvaluatorHost>[0] {
  const { config } = session;
  const absolute = (path: string) =>
    path.startsWith("/") || /^[a-z][a-z0-9+.-]*:/i.test(path)
      ? path
      : byteStringOfText(resolve(config.workingDirectory, textOf(path)));
  const fromSettings =
    env.NIX_PATH === undefined ? parseSearchPath((settings.get("nix-path") ?? "").replace(/\s+/g, ":")) : [];
  const maxCallDepth = settings.get("max-call-depth");
  const isSet = (name: string) => (env[name] ?? "0") !== "0";
  const usesStore = !env.NIX_REMOTE?.startsWith("dummy://");
  return {
    storeDir: config.storeDir,
    searchPath: [...given.searchPath, ...config.searchPath, ...fromSettings].map(({ prefix, path }) => ({
      prefix,
      path: absolute(path),
    })),
    system: settings.get("eval-system") || settings.get("system") || config.system,
    homeDirectory: config.homeDirectory === undefined ? undefined : byteStringOfText(config.homeDirectory),
    environment: config.environment,
    currentTime: Math.floor(Date.now() / 1000),
    localStore: usesStore ? session.storeHostDir : undefined,
    experimentalFeatures: [...features],
    allowImportFromDerivation:
      settings.get("allow-import-from-derivation") === undefined || settings.isOn("allow-import-from-derivation"),
    showTrace: settings.isOn("show-trace"),
    failuresAsData: session.output.format !== "text" && settings.isOn("show-trace"),
    observe: {
      ...(isSet("NIX_SHOW_STATS") ? { statistics: isSet("NIX_COUNT_CALLS") ? "calls" : "totals" } : {}),
      traceFunctionCalls: settings.isOn("trace-function-calls"),
    },
    ...(maxCallDepth === undefined ? {} : { callDepthMax: Number(maxCallDepth) }),
    language: {
      traceVerbose: settings.isOn("trace-verbose"),
      abortOnWarn: settings.isOn("abort-on-warn") || /^(1|true|yes)$/.test(env.NIX_ABORT_ON_WARN ?? ""),
      lints: {
        urlLiterals: settings.lint("url-literals"),
        shortPathLiterals: settings.lint("short-path-literals"),
        absolutePathLiterals: settings.lint("absolute-path-literals"),
      },
    },
  };
}

async function runOn(
  host: EvaluatorHost,
  given: NixArguments,
  env: Readonly<Record<string, string | undefined>>,
  session: Session,
): Promise<void> {
  const { output, signal, config } = session;
  const cwd = byteStringOfText(config.workingDirectory);
  let notes = Promise.resolve();
  const onLog: RequestOptions["onLog"] = (kind, text, about) => {
    notes = notes.then(() => sayLogged(kind, text, about, output));
  };
  const common = {
    attrPaths: given.attrPaths.map(byteStringOfText),
    args: await Promise.all(given.args.map((argument) => evalArgument(argument, session))),
    argsDirectory: cwd,
  };
  await using waits = new EvaluationWaits(session);
  const onWait = env.NIX_REMOTE?.startsWith("dummy://") ? {} : { onWait: waits.onWait };
  let rootNumber = 0;
  const run = async (source: EvalSource, what: EvalOutput): Promise<void> => {
    const pending: PendingObject[] = [];
    const job: EvalJob = { source, output: what, ...common };
    const result = await host
      .request(job, {
        signal,
        onLog,
        ...onWait,
        ...(what.kind === "derivations" && !given.dryRun ? { onPending: (some) => pending.push(...some) } : {}),
      })
      .finally(() => notes);
    if (result.kind === "printed") {
      const end = what.kind === "value" && (what.format === "raw" || what.format === "xml") ? "" : "\n";
      for (const text of result.texts) await output.byteString(text + end);
      return;
    }
    if (!given.dryRun && !env.NIX_REMOTE?.startsWith("dummy://")) await store(pending, session);
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
  const what: EvalOutput = given.parse
    ? { kind: "parse" }
    : given.evaluate
      ? { kind: "value", strict: given.strict, format: given.format, location: given.location }
      : { kind: "derivations" };
  if (given.findFile) {
    const names = given.operands.map(byteStringOfText);
    return run({ kind: "expression", text: "null", baseDirectory: cwd }, { kind: "find-file", names });
  }
  const fromText = (text: string, label: string): EvalSource => ({
    kind: "expression",
    text,
    label,
    baseDirectory: cwd,
  });
  if (given.fromStdin) await run(fromText(byteStringOf(await session.readStdin()), "«stdin»"), what);
  const operands =
    given.operands.length === 0 && !given.fromArguments && !given.fromStdin ? ["./default.nix"] : given.operands;
  for (const operand of operands) {
    if (given.fromArguments) await run(fromText(byteStringOfText(operand), "«string»"), what);
    else await run(fileSource(operand, session), what);
  }
}

/** An argument with its contents at hand. */
async function evalArgument({ name, kind, value }: NixArgument, session: Session): Promise<EvalArgument> {
  const string = (contents: Uint8Array): EvalArgument => ({
    name: byteStringOfText(name),
    kind: "string",
    value: byteStringOf(contents),
  });
  if (kind === "stdin") return string(await session.readStdin());
  if (kind === "file") return string(readFileSync(resolve(session.config.workingDirectory, value)));
  return { name: byteStringOfText(name), kind, value: byteStringOfText(value) };
}

/** A file argument: `<name>` is looked up, a directory stands for its default.nix. */
function fileSource(operand: string, session: Session): EvalSource {
  const { workingDirectory } = session.config;
  if (/^<[^<>]+>$/.test(operand)) return { kind: "search-path", name: byteStringOfText(operand.slice(1, -1)) };
  const path = resolve(workingDirectory, operand);
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return { kind: "file", path: byteStringOfText(isDirectory ? join(path, "default.nix") : path) };
}

async function store(pending: readonly PendingObject[], session: Session): Promise<void> {
  if (pending.length === 0) return;
  const { writePending } = await import("@firn/glue");
  const local = await session.openStore();
  await using lease = await local.leases.openLease("nix-instantiate");
  await writePending(pending, local, {
    storeDir: session.config.storeDir,
    lease,
    signal: session.signal,
    now: Date.now,
    fetcher: new NodeFetcher(),
  });
}
