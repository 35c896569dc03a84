/*
`firn daemon`: lets programs that speak Nix's worker protocol, Nix's own among them, work on Firn's store and build with it.
*/

import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { collect, defineCommand, examples } from "../command.ts";
import { CliError } from "../error.ts";
import { wholeNumber } from "../expression.ts";
import type { Session } from "../session.ts";
import type { BuilderOptions } from "../builder.ts";

const SANDBOXES = ["auto", "bubblewrap", "unshare"] as const;

export type DaemonCommandOptions = BuilderOptions & {
  /** Undefined where only untrusted clients are served. */
  readonly socket: string | undefined;
  readonly untrustedSocket: string | undefined;
  readonly materialize: string | undefined;
  readonly trustedKeys: readonly string[];
  readonly cores: number;
  readonly timeoutMs: number | undefined;
  readonly silenceMs: number | undefined;
};

export const command = defineCommand<DaemonCommandOptions>({
  store: "local",
  declare: (command) =>
    command
      .option("--socket <path>", "for clients that are trusted (default: $FIRN_HOME/daemon-socket/socket)")
      .option("--untrusted-socket <path>", "for clients that are not; without --socket, the only one")
      .option("--materialize <dir>", "keep the paths clients ask for as real files in DIR")
      .option(
        "--trusted-key <key>",
        "a public key whose signatures untrusted clients may bring; repeatable",
        collect(String),
      )
      .option("-j, --jobs <n>", "how many derivations are built at once (default: one for each core)")
      .option("--cores <n>", "how many cores each builder is told to use (default: all)")
      .option("--timeout <seconds>", "longest time a build may take")
      .option("--max-silent-time <seconds>", "longest time a build may say nothing")
      .option("--sandbox <kind>", `${SANDBOXES.join(", ")} (default: auto)`)
      .addHelpText(
        "after",
        `${examples(
          ["firn daemon", "serves until it is interrupted"],
          ["NIX_REMOTE=unix://$FIRN_HOME/daemon-socket/socket nix store ping", "Nix as its client"],
          ["firn daemon --materialize /srv/store", "for clients that read /nix/store: bind /srv/store there"],
        )}
Nix reads built files below /nix/store by itself, so it has to see them there: keep them
in a directory with --materialize and start it where that is bound at /nix/store, say by
  unshare --map-root-user -m sh -c 'mount --bind /srv/store /nix/store && nix-build …'
Whoever may open the trusted socket can put anything into the store.
`,
      ),
  optionsOf: (_, flags) => {
    const text = (name: string) => flags[name] as string | undefined;
    const number = (name: string, flag: string, min: number) => {
      const value = text(name);
      return value === undefined ? undefined : wholeNumber(flag, value, min);
    };
    const seconds = (name: string, flag: string) => {
      const value = number(name, flag, 0);
      return value === undefined || value === 0 ? undefined : value * 1000;
    };
    const sandbox = SANDBOXES.find((kind) => kind === (text("sandbox") ?? "auto"));
    if (sandbox === undefined)
      throw new CliError("usage", `--sandbox is one of ${SANDBOXES.join(", ")}, got '${text("sandbox")}'`);
    const cores = number("cores", "--cores", 0);
    return {
      socket: text("socket"),
      untrustedSocket: text("untrustedSocket"),
      materialize: text("materialize"),
      trustedKeys: (flags.trustedKey as readonly string[] | undefined) ?? [],
      sandbox,
      jobsMax: number("jobs", "--jobs", 1) ?? availableParallelism(),
      cores: cores === undefined || cores === 0 ? availableParallelism() : cores,
      timeoutMs: seconds("timeout", "--timeout"),
      silenceMs: seconds("maxSilentTime", "--max-silent-time"),
    };
  },
  run: serve,
});

async function serve(options: DaemonCommandOptions, session: Session): Promise<undefined> {
  const { config, output, signal } = session;
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(config.workingDirectory, path));
  const untrusted = at(options.untrustedSocket);
  const usual = untrusted === undefined ? join(config.stateDir, "daemon-socket", "socket") : undefined;
  const trusted = at(options.socket) ?? usual;
  const hostDir = at(options.materialize);
  const { DaemonServer, StoreDirectory } = await import("@firn/gateway");
  const { openDaemonHost } = await import("../daemon-host.ts");
  const { exposer, pathInfos } = await session.openStore();
  const directory = hostDir === undefined ? undefined : new StoreDirectory({ hostDir, exposer, pathInfos });
  await directory?.open();
  const server = new DaemonServer(await openDaemonHost({ ...options, directory }, session));
  try {
    await server.listen({
      ...(trusted === undefined ? {} : { trusted }),
      ...(untrusted === undefined ? {} : { untrusted }),
    });
    if (trusted !== undefined) await output.note(`listening on ${trusted} for trusted clients`);
    if (untrusted !== undefined) await output.note(`listening on ${untrusted} for untrusted clients`);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    await output.note("stopping");
  } finally {
    await server.close();
  }
  return undefined;
}
