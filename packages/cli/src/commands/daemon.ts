/*
`firn daemon`: lets programs that speak Nix's worker protocol, Nix's own among them, work on Firn's store and build with it.
*/

import { untilAborted } from "@firn/base";
import { join, resolve } from "node:path";
import process from "node:process";
import { Duplex } from "node:stream";
import { defineCommand, examples } from "../command.ts";
import type { Session } from "../session.ts";
import { CliError } from "../error.ts";
import { declareDerivationFlags, derivationFlags } from "../derivation-flags.ts";
import type { RealiseOptions } from "../realise.ts";

export type DaemonCommandOptions = RealiseOptions & {
  /** Undefined where only untrusted clients are served. */
  readonly socket: string | undefined;
  readonly untrustedSocket: string | undefined;
  readonly stdio: boolean;
  readonly materialize: string | undefined;
};

export const command = defineCommand<DaemonCommandOptions>({
  store: "local",
  declare: (command) =>
    declareDerivationFlags(command)
      .option("--socket <path>", "for clients that are trusted (default: $FIRN_HOME/daemon-socket/socket)")
      .option("--untrusted-socket <path>", "for clients that are not; without --socket, the only one")
      .option("--stdio", "serve one client on standard input and output, as ssh-ng:// does, and end")
      .option("--materialize <dir>", "keep the paths clients ask for as real files in DIR")
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
    if (flags.stdio === true && (text("socket") ?? text("untrustedSocket")) !== undefined)
      throw new CliError("usage", "--stdio serves one client without a socket");
    return {
      socket: text("socket"),
      untrustedSocket: text("untrustedSocket"),
      stdio: flags.stdio === true,
      materialize: text("materialize"),
      ...derivationFlags(flags),
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
    if (options.stdio) {
      // Whoever could start this process is the owner of the store.
      // Node takes its own streams as well, of which its type does not know.
      const stream = Duplex.from({ readable: process.stdin, writable: process.stdout } as never);
      await server.serve(stream, { trusted: true });
      return undefined;
    }
    await server.listen({
      ...(trusted === undefined ? {} : { trusted }),
      ...(untrusted === undefined ? {} : { untrusted }),
    });
    if (trusted !== undefined) await output.note(`listening on ${trusted} for trusted clients`);
    if (untrusted !== undefined) await output.note(`listening on ${untrusted} for untrusted clients`);
    await untilAborted(signal);
    await output.note("stopping");
  } finally {
    await server.close();
  }
  return undefined;
}
