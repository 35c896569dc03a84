/*
The evaluations of nix-instantiate, nix-build and nix-shell: settings as nix.conf and the environment have them, expressions as the command line
names them, what they log on stderr, what they want stored in the store.
*/

import { readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { byteStringOf, byteStringOfText, textOf } from "@firn/base";
import type { PendingObject } from "@firn/glue";
import { parseSearchPath } from "../config.ts";
import { EvaluationWaits, type WaitOptions } from "../evaluation-waits.ts";
import { EvaluatorHost, type RequestOptions } from "../evaluator/host.ts";
import type { EvalArgument, EvalOutput, EvalResult, EvalSource } from "../evaluator/job.ts";
import { sayLogged } from "../logged.ts";
import { NodeFetcher } from "../node-fetcher.ts";
import type { Session } from "../session.ts";
import { printStatistics } from "../statistics.ts";
import type { EvaluationArguments, NixArgument } from "./evaluation-arguments.ts";
import type { NixSettings } from "./nix-settings.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export class NixEvaluation implements AsyncDisposable {
  readonly #given: EvaluationArguments;
  readonly #env: Environment;
  readonly #session: Session;
  readonly #host: EvaluatorHost;
  readonly #waits: EvaluationWaits;
  readonly #lease: WaitOptions["lease"];

  constructor(
    given: EvaluationArguments,
    settings: NixSettings,
    env: Environment,
    session: Session,
    options: WaitOptions = {},
  ) {
    this.#given = given;
    this.#env = env;
    this.#session = session;
    this.#host = new EvaluatorHost(evaluatorSettings(given, settings, settings.features(), env, session));
    this.#waits = new EvaluationWaits(session, options);
    this.#lease = options.lease;
  }

  /** What the command line names, in its order; `otherwise` when it names nothing. */
  async *sources(otherwise = "./default.nix"): AsyncGenerator<EvalSource, void> {
    const { operands, fromArguments, fromStdin } = this.#given;
    if (fromStdin) yield this.source(byteStringOf(await this.#session.readStdin()), "«stdin»");
    for (const operand of operands)
      yield fromArguments ? this.source(byteStringOfText(operand), "«string»") : fileSource(operand, this.#session);
    if (operands.length === 0 && !fromArguments && !fromStdin) yield fileSource(otherwise, this.#session);
  }

  /** An expression as if it stood in the working directory. */
  source(text: string, label?: string): EvalSource {
    const baseDirectory = byteStringOfText(this.#session.config.workingDirectory);
    return { kind: "expression", text, ...(label === undefined ? {} : { label }), baseDirectory };
  }

  /** Evaluates; unless `keepsNothing`, derivations and what they need are written to the store. `args` come before the command line's. */
  async run(
    source: EvalSource,
    output: EvalOutput,
    options: { readonly keepsNothing?: boolean; readonly args?: readonly EvalArgument[] } = {},
  ): Promise<EvalResult> {
    const { signal, config } = this.#session;
    let notes = Promise.resolve();
    const onLog: RequestOptions["onLog"] = (kind, text, about) => {
      notes = notes.then(() => sayLogged(kind, text, about, this.#session.output));
    };
    const pending: PendingObject[] = [];
    const keeps = output.kind === "derivations" && options.keepsNothing !== true;
    const given = await Promise.all(this.#given.args.map((argument) => evalArgument(argument, this.#session)));
    const job = {
      source,
      output,
      attrPaths: this.#given.attrPaths.map(byteStringOfText),
      args: [...(options.args ?? []), ...given],
      argsDirectory: byteStringOfText(config.workingDirectory),
    };
    const result = await this.#host
      .request(job, {
        signal,
        onLog,
        ...(usesStore(this.#env) ? { onWait: this.#waits.onWait } : {}),
        ...(keeps ? { onPending: (some: readonly PendingObject[]) => pending.push(...some) } : {}),
      })
      .finally(() => notes);
    if (usesStore(this.#env)) await this.#store(pending);
    return result;
  }

  /** Prints what was counted, where the environment asks for it. */
  async printStatistics(): Promise<void> {
    await printStatistics(this.#host, this.#session, this.#env.NIX_SHOW_STATS_PATH);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host.close();
    await this.#waits[Symbol.asyncDispose]();
  }

  async #store(pending: readonly PendingObject[]): Promise<void> {
    if (pending.length === 0) return;
    const { writePending } = await import("@firn/glue");
    const local = await this.#session.openStore();
    await using own = this.#lease === undefined ? await local.leases.openLease("evaluation") : undefined;
    await writePending(pending, local, {
      storeDir: this.#session.config.storeDir,
      lease: this.#lease ?? own,
      signal: this.#session.signal,
      now: Date.now,
      fetcher: new NodeFetcher(),
    });
  }
}

/** Whether there is a store to build in and to write to. */
function usesStore(env: Environment): boolean {
  return env.NIX_REMOTE?.startsWith("dummy://") !== true;
}

function evaluatorSettings(
  given: EvaluationArguments,
  settings: NixSettings,
  features: ReadonlySet<string>,
  env: Environment,
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
    localStore: usesStore(env) ? session.storeHostDir : undefined,
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
