/*
Programs run with a closure of the store at the store directory and the rest of the host around it (store-view.ts). Input, output, signals
and exit code are the program's own; what it is shown is held until it ended.
*/

import { spawn } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { textOf } from "@firn/base";
import { closureOf } from "@firn/glue";
import type { Session } from "./session.ts";
import { type Launch, launchInView } from "./store-view.ts";

export type StoreRun = {
  /** Absolute store paths; what they refer to is shown as well. */
  readonly storePaths: readonly string[];
  /** Absolute path, of the store or the host. */
  readonly program: string;
  readonly args: readonly string[];
  /** The environment, instead of this process's. */
  readonly env?: Readonly<Record<string, string>>;
};

/** Runs it and yields its exit code, as a shell would. Throws `unsupported` when this host cannot. */
export async function runInStore({ storePaths, program, args, env }: StoreRun, session: Session): Promise<number> {
  const { config, signal } = session;
  const { storeDir, workingDirectory } = config;
  const store = await session.openStore();
  await using lease = await store.leases.openLease(`run ${program}`);
  const closure = await closureOf(store.pathInfos, storePaths, { storeDir, lease, signal });
  const infos = [...closure.values()];
  await using exposed = await store.exposer.expose(
    infos.map(({ node }) => node),
    { lease, signal },
  );
  const shown = infos.map(({ path, node }, index) => ({
    path: path.absolute(storeDir),
    node,
    hostPath: exposed.hostPaths[index],
  }));
  const mountPoint = join(config.stateDir, "root");
  await mkdir(mountPoint, { recursive: true });
  const searchPath = textOf(config.environment.PATH ?? "");
  const launch = launchInView({ storeDir, shown, workingDirectory, mountPoint, searchPath }, program, args);
  return await runToEnd(launch, env, session);
}

async function runToEnd(launch: Launch, env: StoreRun["env"], session: Session): Promise<number> {
  const script = join(session.config.stateDir, `run-${process.pid}`);
  const file = await open(script, "wx+", 0o600);
  try {
    await file.writeFile(launch.input);
    await using reader = await open(script, "r");
    await rm(script);
    // From here on a signal is the program's affair. One from the terminal reaches it by itself, others are passed on.
    session.releaseSignals();
    const child = spawn(launch.file, launch.args, { env, stdio: ["inherit", "inherit", "inherit", reader.fd] });
    const ignore = () => undefined;
    const passOn = (name: NodeJS.Signals) => void child.kill(name);
    process.on("SIGINT", ignore).on("SIGQUIT", ignore).on("SIGTERM", passOn).on("SIGHUP", passOn);
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, name) => resolve(code ?? 128 + constants.signals[name as NodeJS.Signals]));
    });
  } finally {
    await file.close();
    await rm(script, { force: true });
  }
}
