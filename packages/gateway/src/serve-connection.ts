/*
The other end of ssh://: commands of `nix-store --serve` on a stream in both directions, answered by what answers clients of the daemon. Whoever may start the
process owns the store, so nothing is asked of signatures; without `write` the store is only read.
*/

import { ByteSource, type ByteString, messageOf } from "@firn/base";
import type { Lease } from "@firn/castore";
import {
  invalidMessage,
  SERVE_COMMANDS,
  serveCommand,
  type ServeBuildOptions,
  type ServeCommandName,
  serveHandshake,
  type ServeReply,
  type ServeRequest,
  type StorePath,
  WireReader,
  WireWriter,
  type WorkerCodec,
} from "@firn/nix-compat";
import { closureOf } from "@firn/store";
import { DAEMON_ADDITIONS } from "./daemon-additions.ts";
import { buildTargets, DAEMON_BUILDS } from "./daemon-builds.ts";
import { DaemonCall, type DaemonConnectionState, USUAL_SETTINGS } from "./daemon-call.ts";
import { DaemonChannel } from "./daemon-channel.ts";
import type { DaemonBuildEvent, DaemonHost } from "./daemon-host.ts";
import { DAEMON_QUERIES, workerPathInfo } from "./daemon-queries.ts";
import { GatewayError } from "./error.ts";
import type { Duplex } from "node:stream";

const REQUEST_BYTES_MAX = 128 * 1024 * 1024;

export type ServeOptions = {
  /** Whether clients may add and build. */
  readonly write: boolean;
  readonly signal: AbortSignal;
  /** Takes a line that builders or failures say. */
  readonly say: (line: ByteString) => void;
};

type Handlers = {
  readonly [Name in ServeCommandName]: (request: ServeRequest<Name>, call: DaemonCall) => Promise<ServeReply<Name>>;
};

const HANDLERS: Handlers = {
  queryValidPaths: async ({ paths, substitute }, call) => {
    if (substitute && call.state.trusted) await call.bringSome(paths);
    const valid: StorePath[] = [];
    for (const path of paths) if ((await call.find(path, await call.held())) !== undefined) valid.push(path);
    return valid;
  },

  queryPathInfos: async ({ paths }, call) => {
    const infos = [];
    for (const path of paths) {
      const info = await call.find(path);
      if (info !== undefined) infos.push({ path, info: workerPathInfo(info) });
    }
    return infos;
  },

  dumpStorePath: async (request, call) => {
    await DAEMON_QUERIES.narFromPath(request, call);
  },

  buildPaths: async ({ targets, options }, call) => {
    needWrite(call, "building");
    call.state.settings = settingsOf(options);
    const { failures, thrown } = await buildTargets(targets, call);
    const failure = thrown ?? failures.values().next().value;
    return failure === undefined ? undefined : messageOf(failure);
  },

  buildDerivation: async ({ path, derivation, options }, call) => {
    needWrite(call, "building");
    call.state.settings = settingsOf(options);
    return await DAEMON_BUILDS.buildDerivation({ path, derivation, mode: "normal" }, call);
  },

  queryClosure: async ({ paths, includeOutputs }, call) => {
    const { pathInfos } = call.host.services;
    let closure = await closureOf(paths, pathInfos, await call.held());
    if (includeOutputs) {
      const outputs: StorePath[] = [];
      for (const { path } of closure.filter(({ path }) => path.isDerivation))
        for (const output of (await call.outputs(path, await call.derivation(path))).values())
          if (output !== undefined && (await call.find(output)) !== undefined) outputs.push(output);
      closure = await closureOf([...paths, ...outputs], pathInfos, await call.held());
    }
    return closure.map(({ path }) => path);
  },

  addToStoreNar: async ({ path, info }, call) => {
    needWrite(call, "importing");
    if (info.narSize === 0) throw new GatewayError("bad-request", `${path} comes without the size of its NAR`);
    await DAEMON_ADDITIONS.addToStoreNar({ path, info, repair: false, dontCheckSigs: true }, call);
  },
};

/** Serves a client until it ends. Throws what went wrong, after which nothing more can be said to the client. */
export async function serveOnStream(stream: Duplex, host: DaemonHost, options: ServeOptions): Promise<void> {
  const channel = new DaemonChannel(stream);
  await using source = new ByteSource(channel.incoming());
  const from = new WireReader(source, invalidMessage);
  let lease: Promise<Lease> | undefined;
  try {
    const session = await serveHandshake(from, (bytes) => channel.send(bytes), host.storeDir);
    const state: DaemonConnectionState = {
      host,
      session,
      trusted: options.write,
      log: logOf(options.say),
      lease: () => (lease ??= host.leases.openLease("client of nix-store --serve")),
      settings: USUAL_SETTINGS,
    };
    const signal = AbortSignal.any([options.signal, channel.gone]);
    while (!(await from.atEnd())) {
      from.begin(REQUEST_BYTES_MAX);
      const number = await from.integer();
      const name = serveCommand(number);
      if (name === undefined) throw invalidMessage(`unknown serve command ${number}`);
      const { request: requestCodec, reply: replyCodec } = SERVE_COMMANDS[name] as {
        readonly request: WorkerCodec<unknown>;
        readonly reply: WorkerCodec<unknown>;
      };
      const request = await requestCodec.read(from, session);
      from.begin(Number.POSITIVE_INFINITY);
      const call = new DaemonCall(state, signal, "asked", (length) => from.raw(length));
      const handler = HANDLERS[name] as (request: unknown, call: DaemonCall) => Promise<unknown>;
      const reply = await handler(request, call);
      const to = new WireWriter();
      replyCodec.write(to, reply, session);
      await channel.send(to.take());
      for await (const chunk of call.nar ?? []) await channel.send(chunk);
    }
    await channel.close();
  } finally {
    channel.destroy();
    await (await lease?.catch(() => undefined))?.release();
  }
}

function needWrite({ state }: DaemonCall, what: string): void {
  if (!state.trusted) throw new GatewayError("forbidden", `${what} paths is not allowed: it takes --serve --write`);
}

function settingsOf({ maxSilentSeconds, timeoutSeconds }: ServeBuildOptions): DaemonConnectionState["settings"] {
  const ms = (seconds: bigint) => (seconds > 0n && seconds < 1n << 31n ? Number(seconds) * 1000 : undefined);
  const [silenceMs, timeoutMs] = [ms(maxSilentSeconds), ms(timeoutSeconds)];
  return {
    ...USUAL_SETTINGS,
    ...(silenceMs === undefined ? {} : { silenceMs }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** Builders' lines as they are, as on a terminal. */
function logOf(say: (line: ByteString) => void): DaemonConnectionState["log"] {
  return {
    level: 0,
    say: (_, text) => say(text),
    warn: (text) => say(`warning: ${text}`),
    build: (event: DaemonBuildEvent) => {
      if (event.type === "started") say(`building '${event.drvPath}'...`);
      if (event.type === "log") say(event.line);
    },
    endBuilds: () => {},
  };
}
