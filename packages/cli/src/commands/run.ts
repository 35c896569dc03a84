/*
`firn run`: a program of the store, run with what it refers to at the store directory and the rest of the host around it. Input, output,
signals and exit code are the program's own.
*/

import { textOf } from "@firn/base";
import { needDirectory } from "@firn/castore";
import { defineCommand, examples } from "../command.ts";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
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
  const target = await findTarget(program, session);
  await checkProgram(target, program, session);
  const storePath = target.path.absolute(session.config.storeDir);
  const { runInStore } = await import("../store-run.ts");
  return await runInStore({ storePaths: [storePath], program: storePath + textOf(target.rest), args }, session);
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
