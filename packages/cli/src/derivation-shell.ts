/*
A shell that stands where a derivation's builder would: its inputs built and shown at the store directory, its variables set, the setup of its
stdenv done; but among the host's files, at the user's terminal, and started by a person. The derivation itself is not built. Follows the shell
half of main_nix_build of C++ Nix.

Variables reach bash through the environment; what has to happen inside bash is a file it reads first, which is gone when it starts.
*/

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesOf, type ByteString, textOf } from "@firn/base";
import type { Lease } from "@firn/castore";
import { builderEnvironment, type BuiltOutputs, derivationReader, derivationToRun } from "@firn/glue";
import type { Derivation } from "@firn/nix-compat";
import { CliError } from "./error.ts";
import type { EvaluatedDerivation } from "./evaluator/job.ts";
import { realise, type RealiseOptions } from "./realise.ts";
import type { Session } from "./session.ts";
import { runInStore } from "./store-run.ts";
import { findProgram } from "./find-program.ts";
import { shellQuote } from "./shell-quote.ts";

export type DerivationShellOptions = {
  /** Absolute store path of the .drv. */
  readonly drvPath: string;
  /** Whether the host's environment is left out, but for a few variables and those of `keep`. */
  readonly isPure: boolean;
  readonly keep: readonly string[];
  /** What bash does instead of asking for commands; in an interactive bash, it does it first. */
  readonly command: string | undefined;
  readonly isInteractive: boolean;
  /** Input derivations that are neither built nor shown. */
  readonly exclude: readonly RegExp[];
  /** The bash to start; the host's when not said. */
  readonly shell: string | undefined;
};

/** What a pure shell has of the host's environment. */
const KEPT =
  `HOME XDG_RUNTIME_DIR USER LOGNAME DISPLAY WAYLAND_DISPLAY WAYLAND_SOCKET TERM NIX_SHELL_PRESERVE_PROMPT TZ PAGER
  NIX_BUILD_SHELL SHLVL http_proxy https_proxy ftp_proxy all_proxy no_proxy`.split(/\s+/);

/** Builds what the derivation needs, held by `lease`, runs the shell and yields its exit code. Throws `BuildFailed`, `unsupported`. */
export async function enterDerivation(
  options: DerivationShellOptions,
  realiseOptions: RealiseOptions,
  session: Session,
  lease: Lease,
): Promise<number> {
  const { config, signal } = session;
  const { storeDir } = config;
  const store = await session.openStore();
  const read = derivationReader(store.blobs, store.pathInfos, storeDir);
  const derivation = await read(options.drvPath, { lease, signal });
  const shell = findBash(options, derivation, session);
  const wanted = await inputsOf(derivation, options.exclude, (path) => read(path, { lease, signal }));
  const built: BuiltOutputs = wanted.length === 0 ? new Map() : await realise(wanted, realiseOptions, session, lease);
  const storePaths = [...derivation.inputSrcs, ...[...built.values()].flatMap((outputs) => [...outputs.values()])];
  const pathOf = (input: ByteString, output: string) => built.get(input)?.get(output);
  const runnable = derivationToRun(options.drvPath, derivation, pathOf, storeDir);
  const directory = await mkdtemp(join(tmpdir(), "nix-shell-"));
  try {
    const { env, files } = builderEnvironment(runnable, {
      storeDir,
      buildDirectory: directory,
      cores: realiseOptions.cores,
    });
    for (const [name, contents] of files) await writeFile(join(directory, name), bytesOf(contents), { mode: 0o600 });
    const rc = join(directory, "rc");
    await writeFile(rc, rcFile(options, directory, shell), { mode: 0o600 });
    return await runInStore(
      {
        storePaths,
        program: shell,
        args: options.isInteractive ? ["--rcfile", rc] : [rc],
        env: { ...hostEnvironment(options, session), ...ownEnvironment(env, options) },
      },
      session,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function inputsOf(
  derivation: Derivation,
  exclude: readonly RegExp[],
  read: (drvPath: ByteString) => Promise<Derivation>,
): Promise<EvaluatedDerivation[]> {
  const wanted: EvaluatedDerivation[] = [];
  for (const [drvPath, names] of derivation.inputDrvs) {
    if (exclude.some((pattern) => pattern.test(drvPath))) continue;
    const { name, outputs } = await read(drvPath);
    const places = Array.from(outputs, ([output, { path }]) => ({ name: output, path }));
    for (const outputName of names) wanted.push({ attrPath: "", name, drvPath, outputs: places, outputName });
  }
  return wanted;
}

function hostEnvironment({ isPure, keep }: DerivationShellOptions, { config }: Session): Record<string, string> {
  const kept = new Set([...KEPT, ...keep]);
  const chosen = Object.entries(config.environment).filter(([name]) => !isPure || kept.has(name));
  return Object.fromEntries(chosen.map(([name, value]) => [name, textOf(value)]));
}

/** The builder's variables without those that only make sense where nothing is the user's own. */
function ownEnvironment(
  env: ReadonlyMap<ByteString, ByteString>,
  { isPure }: DerivationShellOptions,
): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of env) {
    const isBuildersAlone = ["HOME", "TERM", "PWD", "NIX_LOG_FD"].includes(name);
    if (!isBuildersAlone && !(name === "PATH" && value === "/path-not-set")) own[name] = textOf(value);
  }
  return { ...own, IN_NIX_SHELL: isPure ? "pure" : "impure" };
}

/** What bash reads before anything else. */
function rcFile(options: DerivationShellOptions, directory: string, shell: string): string {
  const { isPure, command, isInteractive } = options;
  const lines = [
    isPure ? "" : `[ -n "$PS1" ] && [ -e ~/.bashrc ] && source ~/.bashrc`,
    isPure ? "" : "firn_path=$PATH",
    "dontAddDisableDepTracking=1",
    `[ -n "\${NIX_ATTRS_SH_FILE-}" ] && source "$NIX_ATTRS_SH_FILE"`,
    `if [ -n "\${stdenv-}" ] && [ -e "$stdenv/setup" ]; then source "$stdenv/setup"; fi`,
    isPure ? "" : `PATH=\${PATH:+$PATH:}$firn_path; unset firn_path`,
    `SHELL=${shellQuote(shell)} BASH=${shellQuote(shell)}`,
    "set +e",
    `[ -n "$PS1" ] && [ -z "\${NIX_SHELL_PRESERVE_PROMPT-}" ] && PS1='\\n\\[\\033[1;32m\\][nix-shell:\\w]\\$\\[\\033[0m\\] '`,
    `if [ "$(type -t runHook)" = function ]; then runHook shellHook; elif [ -n "\${shellHook-}" ]; then eval "$shellHook"; fi`,
    "unset NIX_ENFORCE_PURITY",
    "shopt -u nullglob",
    // An interactive bash comes back to its prompt, so that its directory is still needed; the caller removes it in the end.
    isInteractive ? "" : `rm -f ${shellQuote(join(directory, "rc"))}`,
    "shopt -s execfail",
    command === undefined ? "" : `${command}\n[ -n "$PS1" ] && exit`,
  ];
  return `${lines.filter((line) => line !== "").join("\n")}\n`;
}

/** The shell that was named, or bash of the host; else the derivation's builder, when that is one. */
function findBash({ shell }: DerivationShellOptions, { builder }: Derivation, { config }: Session): string {
  if (shell !== undefined) return shell;
  const bash = findProgram("bash", textOf(config.environment.PATH ?? ""));
  if (bash !== undefined) return bash;
  if (/\/bash$/.test(builder)) return textOf(builder);
  throw new CliError("unsupported", "there is no bash on PATH: install it, or name one in NIX_BUILD_SHELL");
}
