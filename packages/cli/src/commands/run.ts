/*
`firn run`: a program of the store, run with what it refers to at the store directory and the rest of the host around it. Input, output,
signals and exit code are the program's own.
*/

import { spawn } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { textOf } from "@firn/base";
import { needDirectory } from "@firn/castore";
import { defineCommand, examples } from "../command.ts";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
import { type Launch, launchInView } from "../store-view.ts";
import { findTarget, type StoreTarget } from "../store-target.ts";

export type RunOptions = { readonly program: string; readonly args: readonly string[] };

export const command = defineCommand<RunOptions>({
  store: "local",
  declare: (command) =>
    command
      .usage("[options] <program> [args...]")
      .argument("<program>", "a program below a store path or a link to a result")
      .argument("[args...]", "its arguments, flags included")
      .addHelpText(
        "after",
        `${examples(["firn run ./result/bin/hello --greeting=Hi", "runs what `firn build` built"])}
The program sees the host's files, and below the store directory what it was built to use.
`,
      ),
  passesThrough: true,
  optionsOf: ([program, ...args]) => ({ program, args }),
  run: runProgram,
});

async function runProgram({ program, args }: RunOptions, session: Session): Promise<number> {
  const { config, signal } = session;
  const target = await findTarget(program, session);
  await checkProgram(target, program, session);
  const store = await session.openStore();
  const { closureOf } = await import("@firn/glue");
  const closure = await closureOf(store.pathInfos, [target.path.absolute(config.storeDir)], {
    storeDir: config.storeDir,
    signal,
  });
  const infos = [...closure.values()];
  // Held until the program ended: its files must stay.
  await using lease = await store.leases.openLease(`run ${program}`);
  await using exposed = await store.exposer.expose(
    infos.map(({ node }) => node),
    { lease, signal },
  );
  const shown = infos.map(({ path, node }, index) => ({
    path: path.absolute(config.storeDir),
    node,
    hostPath: exposed.hostPaths[index],
  }));
  const mountPoint = join(config.stateDir, "root");
  await mkdir(mountPoint, { recursive: true });
  const { storeDir, workingDirectory } = config;
  const launch = launchInView(
    { storeDir, shown, workingDirectory, mountPoint, searchPath: textOf(config.environment.PATH ?? "") },
    target.path.absolute(storeDir) + textOf(target.rest),
    args,
  );
  return await runToEnd(launch, session);
}

/** Throws unless the target can be a program, with what could be meant instead. */
async function checkProgram({ node, info, rest }: StoreTarget, program: string, session: Session): Promise<void> {
  if (node.kind === "symlink" || (node.kind === "file" && node.executable)) return;
  if (node.kind === "file") throw new CliError("invalid-target", `'${program}' is not executable`);
  const { directories } = await session.openStore();
  const root = info.node.kind === "directory" ? await needDirectory(directories, info.node.digest) : undefined;
  const bin = root?.get("bin");
  const programs = bin?.kind === "directory" ? (await needDirectory(directories, bin.digest)).entries : [];
  const base = rest === "" ? program.replace(/\/+$/, "") : undefined;
  const hint =
    base === undefined || programs.length === 0 ? "" : `; it holds the program ${base}/bin/${textOf(programs[0].name)}`;
  throw new CliError("invalid-target", `'${program}' is a directory, name a program in it${hint}`);
}

async function runToEnd(launch: Launch, session: Session): Promise<number> {
  const script = join(session.config.stateDir, `run-${process.pid}`);
  const file = await open(script, "wx+", 0o600);
  try {
    await file.writeFile(launch.input);
    await using reader = await open(script, "r");
    await rm(script);
    // From here on a signal is the program's affair. One from the terminal reaches it by itself, others are passed on.
    session.releaseSignals();
    const child = spawn(launch.file, launch.args, { stdio: ["inherit", "inherit", "inherit", reader.fd] });
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
