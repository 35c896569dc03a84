/*
Which expression a command works on: the flags all commands share that evaluate, and what they ask of the evaluator. A path that is a
directory stands for its default.nix, `-` for standard input; without either it is ./default.nix.
*/

import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { byteStringOf, byteStringOfText, textOf } from "@firn/base";
import type { SearchPathEntry } from "@firn/eval";
import type { Command } from "commander";
import { collect, type Flags, splitPair } from "./command.ts";
import { parseSearchPathEntry } from "./config.ts";
import { CliError } from "./error.ts";
import { applySettings, declareSettings } from "./settings.ts";
import { EvaluationWaits, type WaitOptions } from "./evaluation-waits.ts";
import { EvaluatorHost, type RequestOptions } from "./evaluator/host.ts";
import type { EvalArgument, EvalOutput, EvalResult, EvalSource } from "./evaluator/job.ts";
import { sayLogged } from "./logged.ts";
import type { Session } from "./session.ts";
import { printStatistics } from "./statistics.ts";

/** The flags of `declareExpression` that take two operands. */
export const EXPRESSION_PAIR_FLAGS = ["--arg", "--argstr", "--option"];

export type ExpressionOptions = {
  readonly source:
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "expression"; readonly text: string }
    | { readonly kind: "stdin" };
  readonly attrPaths: readonly string[];
  readonly args: readonly EvalArgument[];
  readonly searchPath: readonly SearchPathEntry[];
  readonly showTrace: boolean;
  readonly callDepthMax: number | undefined;
  /** Whether compiled code is kept from one run to the next. */
  readonly codeCache: boolean;
  /** Whether something may be built because the evaluation reads it. */
  readonly allowImportFromDerivation: boolean;
  readonly experimentalFeatures: readonly string[];
  /** Whether what the evaluation did is counted and shown. */
  readonly stats: boolean;
  readonly traceFunctionCalls: boolean;
  /** Names given to --option that nothing here knows. */
  readonly unknownSettings: readonly string[];
};

/** Adds the path argument and the flags of an expression. */
export function declareExpression(command: Command): Command {
  const argument = (kind: EvalArgument["kind"]) => collect<EvalArgument>((joined) => ({ ...splitPair(joined), kind }));
  const declared = command
    .argument("[path]", "file with the expression, a directory with a default.nix, or - (default: ./default.nix)")
    .option("-f, --file <path>", "the same as a flag")
    .option("-E, --expr <expr>", "the expression itself")
    .option("-A, --attr <path>", "attribute to take of the value, such as lib.version; repeatable", collect(String))
    .option("--arg <name expr>", "pass an expression to a function's argument NAME; repeatable", argument("expr"))
    .option("--argstr <name text>", "pass a string to a function's argument NAME; repeatable", argument("string"))
    .option(
      "-I, --include <entry>",
      "where <NAME/…> is looked up: NAME=PATH or PATH; before NIX_PATH; repeatable",
      collect(String),
    )
    .option("--show-trace", "with an error, show all of the evaluation that led there")
    .option("--max-call-depth <n>", "how deep calls may nest")
    .option("--no-allow-ifd", "fail instead of building what the evaluation reads (import from derivation)")
    .option(
      "--extra-experimental-features <names>",
      "enable features that Nix holds to be experimental, such as ca-derivations; repeatable",
      collect(String),
    )
    .option("--stats", "afterwards, show on stderr what the evaluation did: counts as JSON, as NIX_SHOW_STATS has them")
    .option("--trace-function-calls", "show on stderr where and when each call of a function begins and ends")
    .option("--no-code-cache", "compile every file anew, and keep nothing of it");
  return declareSettings(declared);
}

/** What those flags say. Throws `usage` when they contradict each other. */
export function expressionOf(operands: readonly string[], given: Flags): ExpressionOptions {
  const { flags, unknown } = applySettings(given);
  const { file, expr, maxCallDepth } = flags as { file?: string; expr?: string; maxCallDepth?: string };
  const [operand] = operands;
  const sources = [operand, file, expr].filter((one) => one !== undefined);
  if (sources.length > 1) throw new CliError("usage", "give one expression: a path, --file or --expr");
  const path = operand ?? file ?? ".";
  return {
    source:
      expr !== undefined
        ? { kind: "expression", text: expr }
        : path === "-"
          ? { kind: "stdin" }
          : { kind: "file", path },
    attrPaths: (flags.attr as string[] | undefined) ?? [],
    args: [
      ...((flags.arg as EvalArgument[] | undefined) ?? []),
      ...((flags.argstr as EvalArgument[] | undefined) ?? []),
    ],
    searchPath: ((flags.include as string[] | undefined) ?? []).map(parseSearchPathEntry),
    showTrace: flags.showTrace === true,
    callDepthMax: maxCallDepth === undefined ? undefined : wholeNumber("--max-call-depth", maxCallDepth, 1),
    codeCache: flags.codeCache !== false,
    allowImportFromDerivation: flags.allowIfd !== false,
    experimentalFeatures: ((flags.extraExperimentalFeatures as string[] | undefined) ?? []).flatMap((names) =>
      names.split(/\s+/).filter((name) => name !== ""),
    ),
    stats: flags.stats === true,
    traceFunctionCalls: flags.traceFunctionCalls === true,
    unknownSettings: unknown,
  };
}

/** The number a flag was given. Throws `usage`. */
export function wholeNumber(flag: string, text: string, min: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min) return number;
  throw new CliError("usage", `${flag} takes a whole number${min > 0 ? ` from ${min}` : ""}, got '${text}'`);
}

export type EvaluateOptions = Pick<RequestOptions, "onPending" | "onDerivation"> & {
  /** How what the evaluation reads is built. */
  readonly wait?: WaitOptions;
  /** Ends the evaluation; the session's when not said. */
  readonly signal?: AbortSignal;
};

/** Evaluates, with traces and warnings on stderr. */
export async function evaluate(
  expression: ExpressionOptions,
  output: EvalOutput,
  session: Session,
  { wait, signal = session.signal, ...requests }: EvaluateOptions = {},
): Promise<EvalResult> {
  const { config } = session;
  for (const name of expression.unknownSettings) await session.output.warn(`unknown setting '${name}'`);
  const source = await sourceOf(expression, session);
  const host = new EvaluatorHost({
    storeDir: config.storeDir,
    searchPath: [...expression.searchPath, ...config.searchPath].map((entry) =>
      absoluteEntry(entry, config.workingDirectory),
    ),
    system: config.system,
    homeDirectory: config.homeDirectory === undefined ? undefined : byteStringOfText(config.homeDirectory),
    environment: config.environment,
    currentTime: Math.floor(Date.now() / 1000),
    localStore: session.storeHostDir,
    experimentalFeatures: expression.experimentalFeatures,
    allowImportFromDerivation: expression.allowImportFromDerivation,
    showTrace: expression.showTrace,
    failuresAsData: session.output.format !== "text",
    observe: {
      ...(expression.stats ? { statistics: "calls" } : {}),
      traceFunctionCalls: expression.traceFunctionCalls,
    },
    ...(expression.codeCache ? { codeCache: join(config.stateDir, "code") } : {}),
    ...(expression.callDepthMax === undefined ? {} : { callDepthMax: expression.callDepthMax }),
  });
  const notes: Promise<void>[] = [];
  const onLog: RequestOptions["onLog"] = (kind, text, about) => {
    notes.push(sayLogged(kind, text, about, session.output));
  };
  await using waits = new EvaluationWaits(session, wait);
  try {
    const job = {
      source,
      attrPaths: expression.attrPaths.map(byteStringOfText),
      args: expression.args.map(({ name, kind, value }) => ({
        name: byteStringOfText(name),
        kind,
        value: byteStringOfText(value),
      })),
      output,
    };
    const result = await host.request(job, {
      signal,
      onLog,
      onWait: waits.onWait,
      ...requests,
    });
    await printStatistics(host, session);
    return result;
  } finally {
    await Promise.all(notes);
    await host.close();
  }
}

async function sourceOf({ source }: ExpressionOptions, session: Session): Promise<EvalSource> {
  const { workingDirectory } = session.config;
  const baseDirectory = byteStringOfText(workingDirectory);
  switch (source.kind) {
    case "expression":
      return { kind: "expression", text: byteStringOfText(source.text), baseDirectory };
    case "stdin":
      return { kind: "expression", text: byteStringOf(await session.readStdin()), baseDirectory };
    case "file":
      return { kind: "file", path: byteStringOfText(findFile(source.path, workingDirectory)) };
  }
}

/** Paths of the search path begin in the working directory; URLs are left alone. */
function absoluteEntry({ prefix, path }: SearchPathEntry, workingDirectory: string): SearchPathEntry {
  const isUrl = /^[a-z][a-z0-9+.-]*:/i.test(path);
  if (isUrl || path.startsWith("/")) return { prefix, path };
  return { prefix, path: byteStringOfText(resolve(workingDirectory, textOf(path))) };
}

/** The absolute path of the file meant. Throws `not-found` saying what was looked for. */
function findFile(path: string, workingDirectory: string): string {
  const absolute = resolve(workingDirectory, path);
  const stats = statSync(absolute, { throwIfNoEntry: false });
  if (stats === undefined) throw new CliError("not-found", `'${path}' does not exist`);
  if (!stats.isDirectory()) return absolute;
  const inside = join(absolute, "default.nix");
  if (statSync(inside, { throwIfNoEntry: false }) !== undefined) return inside;
  const hint = path === "." ? ": name a file or a directory that has one, or use --expr" : "";
  throw new CliError("not-found", `there is no default.nix in '${path}'${hint}`);
}
