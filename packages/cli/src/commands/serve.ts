/*
`firn serve`: the store for others, on one port or unix socket, until it is told to stop. What may be served to whom is checked before anything listens.
*/

import { resolve } from "node:path";
import { untilAborted } from "@firn/base";
import type { BuildService } from "@firn/build";
import { parsePublicKey, parseSecretKey } from "@firn/nix-compat";
import { TrustedKeys } from "@firn/store";
import { collect, defineCommand, examples } from "../command.ts";
import { CliError, EXIT } from "../error.ts";
import { DEFAULT_LISTEN, isPrivate, parseListenAddress } from "../server/listen-address.ts";
import { localUpkeep } from "../garbage.ts";
import type { Session } from "../session.ts";

export type ServeOptions = {
  readonly listen: string;
  readonly tokens: string | undefined;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly readOnly: boolean;
  readonly signKeys: readonly string[];
  readonly trustedKeys: readonly string[];
  readonly priority: number | undefined;
  readonly web: string | undefined;
  readonly builds: number;
  readonly graceSeconds: number;
  readonly json: boolean;
};

const GRACE_SECONDS = 30;
const BUILDS_MAX = 10_000;
const GRACE_SECONDS_MAX = 86_400;

export const command = defineCommand<ServeOptions>({
  declare: (command) =>
    command
      .option("--listen <address>", `HOST:PORT or unix:PATH (default: ${DEFAULT_LISTEN})`)
      .option("--tokens <file>", "lines 'read TOKEN', 'write TOKEN' and 'admin TOKEN': nobody comes in without one")
      .option("--tls-cert <file>", "certificates, PEM; with --tls-key")
      .option("--tls-key <file>", "the certificate's key, PEM")
      .option("--read-only", "take nothing in")
      .option("--sign <file>", "sign what the binary cache serves with this key; may be repeated", collect(String))
      .option(
        "--trusted-key <key>",
        "uploads to the binary cache need a signature by one of these; may be repeated",
        collect(String),
      )
      .option("--priority <n>", "what clients with several binary caches go by, lower first (default: 40)")
      .option("--web <dir>", "serve the files of this directory as well, to everybody, for browsers")
      .option("--builds <n>", "build for others as well, so many at a time (default: 0, none)")
      .option("--grace <seconds>", `how long requests may go on when told to stop (default: ${GRACE_SECONDS})`)
      .option("--json", "print {url} on stdout when it listens")
      .addHelpText(
        "after",
        examples(
          ["firn serve", `this machine's store for this machine, on ${DEFAULT_LISTEN}`],
          ["firn serve --listen unix:/run/firn/socket --builds 4", "for whoever may use the socket, builds too"],
          ["firn serve --listen 0.0.0.0:443 --tokens tokens --tls-cert cert.pem --tls-key key.pem", "for others"],
        ),
      ),
  store: "any",
  optionsOf: (_, flags) => {
    const text = (name: string) => flags[name] as string | undefined;
    if ((flags.tlsCert === undefined) !== (flags.tlsKey === undefined))
      throw new CliError("usage", "--tls-cert and --tls-key go together");
    return {
      listen: text("listen") ?? DEFAULT_LISTEN,
      tokens: text("tokens"),
      tlsCert: text("tlsCert"),
      tlsKey: text("tlsKey"),
      readOnly: flags.readOnly === true,
      signKeys: (flags.sign as string[] | undefined) ?? [],
      trustedKeys: (flags.trustedKey as string[] | undefined) ?? [],
      priority: flags.priority === undefined ? undefined : parseCount("--priority", text("priority"), 1_000_000),
      web: text("web"),
      builds: parseCount("--builds", text("builds") ?? "0", BUILDS_MAX),
      graceSeconds: parseCount("--grace", text("grace") ?? String(GRACE_SECONDS), GRACE_SECONDS_MAX),
      json: flags.json === true,
    };
  },
  run: serve,
});

function parseCount(flag: string, text: string | undefined, max: number): number {
  if (text !== undefined && /^\d{1,9}$/.test(text) && Number(text) <= max) return Number(text);
  throw new CliError("usage", `${flag} takes a number from 0 to ${max}, not '${text}'`);
}

async function serve(options: ServeOptions, session: Session): Promise<number> {
  const { output, signal, config } = session;
  const listen = parseListenAddress(options.listen, config.workingDirectory);
  const { readTextBeside } = await import("../opened-store.ts");
  const read = readTextBeside(config.workingDirectory);
  if (!isPrivate(listen) && (options.tokens === undefined || options.tlsCert === undefined))
    throw new CliError(
      "usage",
      `others than this machine can reach ${options.listen}: say --tokens, --tls-cert and --tls-key, or listen on ${DEFAULT_LISTEN} or unix:PATH`,
    );
  const { Tokens } = await import("../server/tokens.ts");
  const tokens = options.tokens === undefined ? undefined : Tokens.parse(await read(options.tokens), options.tokens);
  const tls =
    options.tlsCert === undefined || options.tlsKey === undefined
      ? undefined
      : { cert: await read(options.tlsCert), key: await read(options.tlsKey) };
  const keys = [];
  for (const path of options.signKeys) keys.push(parseSecretKey((await read(path)).trim()));
  const trusted =
    options.trustedKeys.length === 0
      ? undefined
      : new TrustedKeys(options.trustedKeys.map((text) => parsePublicKey(text)));
  const store = await session.openServices();
  const builds = options.builds === 0 ? undefined : await openBuilds(options, session);
  const { openStoreServer } = await import("../server/store-server.ts");
  const { ServedLogs } = await import("../server/served-logs.ts");
  const server = await openStoreServer({
    store,
    logs: session.isLocal ? new ServedLogs(session) : undefined,
    upkeep: session.isLocal ? await localUpkeep(session) : store.upkeep,
    builds,
    storeDir: config.storeDir,
    listen,
    tls,
    tokens,
    isWritable: !options.readOnly,
    keys,
    trusted,
    priority: options.priority,
    webHostDir: options.web === undefined ? undefined : resolve(config.workingDirectory, options.web),
    report: (thrown, where) => void output.warn(`${where}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`),
  }).catch((thrown: unknown) => {
    throw listenError(thrown, options.listen);
  });
  if (options.json) await output.json({ url: server.url });
  else await output.note(`serving ${store.label} on ${server.url}`);
  await untilAborted(signal);
  if (options.graceSeconds > 0) await output.note("stopping when what runs has ended; once more stops at once");
  await server.close(options.graceSeconds * 1000);
  return EXIT.ok;
}

async function openBuilds({ builds, readOnly }: ServeOptions, session: Session): Promise<BuildService> {
  if (readOnly) throw new CliError("usage", "--read-only takes no builds: leave --builds out");
  const { openBuilder } = await import("../builder.ts");
  return openBuilder({ sandbox: "auto", jobsMax: builds }, session);
}

/** What the system says of an address, for people. */
function listenError(thrown: unknown, address: string): unknown {
  const { code } = thrown as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: "something else listens there already",
    EACCES: "this user may not listen there",
    EADDRNOTAVAIL: "this machine has no such address",
    ENOTFOUND: "there is no machine of that name",
    ENOENT: "its directory does not exist",
  };
  if (code === undefined || !Object.hasOwn(reasons, code)) return thrown;
  return new CliError("usage", `cannot listen on ${address}: ${reasons[code]}`, { cause: thrown });
}
