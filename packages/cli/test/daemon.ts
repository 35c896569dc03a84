/*
A daemon of Firn's for tests, and Debian's Nix as its client: in a namespace of its own in which the directory that the daemon keeps real files in is
/nix/store, whatever the host has there.
*/

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "..", "src", "main.ts");
const DEADLINE_MS = 60_000;

export type RunningDaemon = {
  readonly socket: string;
  readonly untrustedSocket: string;
  /** What it holds as real files. */
  readonly storeDirectory: string;
  /** Ends it with a signal; yields its exit code and all it said. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<{ readonly code: number | null; readonly err: string }>;
};

/** Starts `firn daemon` with its state below `directory` and waits until it listens. */
export async function startDaemon(directory: string, ...flags: string[]): Promise<RunningDaemon> {
  const socket = join(directory, "daemon.sock");
  const untrustedSocket = join(directory, "untrusted.sock");
  const storeDirectory = join(directory, "nix-store");
  const env = { PATH: process.env.PATH, HOME: directory, FIRN_HOME: join(directory, "state") };
  const sockets = ["--socket", socket, "--untrusted-socket", untrustedSocket, "--materialize", storeDirectory];
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", MAIN, "daemon", ...sockets, ...flags],
    {
      cwd: directory,
      env,
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let err = "";
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  await new Promise<void>((resolve, reject) => {
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      err += text;
      if (err.includes("for untrusted clients")) resolve();
    });
    void ended.then(() => reject(new Error(`the daemon ended: ${err}`)));
  });
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    return { code: await ended, err };
  };
  return { socket, untrustedSocket, storeDirectory, stop };
}

export type ClientEnded = { readonly code: number | null; readonly out: string; readonly err: string };

export type NixClient = {
  /** Runs a program of Nix's to its end. */
  readonly run: (program: string, ...args: string[]) => Promise<ClientEnded>;
  /** Starts one that the test ends. */
  readonly start: (program: string, ...args: string[]) => ChildProcess;
};

/** Nix with a daemon at `socket`, where `storeDirectory` is /nix/store. */
export function nixClient(
  directory: string,
  storeDirectory: string,
  socket: string,
  settings = "substitute = false",
): NixClient {
  const home = join(directory, "client-home");
  mkdirSync(home, { recursive: true });
  const config = `experimental-features = nix-command ca-derivations
${settings}`;
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    NIX_REMOTE: `unix://${socket}`,
    NIX_STATE_DIR: join(home, "state"),
    NIX_CONF_DIR: join(home, "conf"),
    NIX_CONFIG: config,
  };
  return clientIn(directory, storeDirectory, env);
}

function clientIn(directory: string, storeDirectory: string, env: NodeJS.ProcessEnv): NixClient {
  const namespace = namespaceWithStore(storeDirectory);
  const begin = (program: string, args: readonly string[], timeout?: number) =>
    spawn("bwrap", [...namespace, "--chdir", directory, "--die-with-parent", "--", program, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout,
    });
  const start = (program: string, ...args: string[]) => begin(program, args);
  const run = (program: string, ...args: string[]) =>
    new Promise<ClientEnded>((resolve, reject) => {
      const child = begin(program, args, DEADLINE_MS);
      let out = "";
      let err = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, out, err }));
    });
  return { run, start };
}

/** Nix on an empty store of its own at /nix/store, and programs of Firn's that it finds by its PATH. */
export function nixAlone(directory: string, more: NodeJS.ProcessEnv = {}): NixClient {
  const storeDirectory = join(directory, "nix-own-store");
  const home = join(directory, "nix-own-home");
  const programs = join(directory, "programs");
  for (const made of [storeDirectory, join(home, "state"), programs]) mkdirSync(made, { recursive: true });
  const state = join(directory, "state");
  const lay = (name: string, main: string, ...words: readonly string[]) => {
    const command = `'${process.execPath}' --disable-warning=ExperimentalWarning '${main}' ${words.join(" ")} "$@"`;
    writeFileSync(join(programs, name), `#!/bin/sh\nFIRN_HOME='${state}' exec ${command}\n`, { mode: 0o755 });
  };
  lay("nix-daemon", MAIN, "daemon");
  lay("firn-nix-store", join(MAIN, "..", "compat", "main-nix-store.ts"));
  return clientIn(directory, storeDirectory, {
    PATH: `${programs}:${process.env.PATH}`,
    HOME: home,
    NIX_STATE_DIR: join(home, "state"),
    NIX_CONF_DIR: join(home, "conf"),
    NIX_CONFIG: `experimental-features = nix-command
build-users-group =
sandbox = false
substitute = false`,
    ...more,
  });
}

/** A daemon of Nix's own on such a store. */
export type RunningNixDaemon = NixClient & { readonly socket: string; readonly stop: () => Promise<void> };

/** Starts Nix's daemon; `run` runs Nix's programs on its store, beside it. */
export async function startNixDaemon(directory: string): Promise<RunningNixDaemon> {
  const socket = join(directory, "nix-daemon.sock");
  // Without a state directory that it may write to it would be a client of itself.
  const client = nixAlone(directory, { PATH: process.env.PATH, NIX_DAEMON_SOCKET_PATH: socket });
  const child = client.start("nix-daemon");
  child.stderr?.resume();
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  for (const deadline = Date.now() + DEADLINE_MS; !existsSync(socket); ) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error("Nix's daemon does not listen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { ...client, socket, stop };
}

/** The host's root without its /nix. */
function namespaceWithStore(storeDirectory: string): string[] {
  const words: string[] = [];
  for (const name of readdirSync("/")) {
    if (name === "nix") continue;
    if (lstatSync(`/${name}`).isSymbolicLink()) words.push("--symlink", readlinkSync(`/${name}`), `/${name}`);
    else words.push("--dev-bind", `/${name}`, `/${name}`);
  }
  return [...words, "--bind", storeDirectory, "/nix/store"];
}
