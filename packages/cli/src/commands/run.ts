/*
`firn run`: a program of the store, or of what an expression builds, run with what it refers to at the store directory and the rest of the host
around it. Input, output, signals and exit code are the program's own.
*/

import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { textOf } from "@firn/base";
import { lookup, needDirectory } from "@firn/castore";
import { declareDerivationFlags, derivationFlags } from "../derivation-flags.ts";
import { defineCommand, examples } from "../command.ts";
import { CliError } from "../error.ts";
import { declareExpression, EXPRESSION_PAIR_FLAGS, type ExpressionOptions, expressionOf } from "../expression.ts";
import type { RealiseOptions } from "../realise.ts";
import type { Session } from "../session.ts";
import { applySettings } from "../settings.ts";
import { findPlace, findTarget, type StoreTarget } from "../store-target.ts";

export type RunOptions = RealiseOptions & {
  /** What the first operand names, unless it is an expression by its flags. */
  readonly program: string | undefined;
  readonly args: readonly string[];
  /** What to build; where `program` is a place of the store, that is meant instead. */
  readonly expression: ExpressionOptions;
};

export const command = defineCommand<RunOptions>({
  store: "local",
  declare: (command) =>
    declareDerivationFlags(declareExpression(command))
      .usage("[options] <program or path> [args...]")
      .argument("[args...]", "the program's arguments, flags included")
      .addHelpText(
        "after",
        `${examples(
          ["firn run ./result/bin/hello --greeting=Hi", "runs what `firn build` built"],
          ["firn run -A jq examples/debian-stdenv . file.json", "builds it first, and leaves no link"],
        )}
The first operand is a program below a store path or a link to a result, or a file or directory with
an expression. Of a whole result its only program is meant, or the one named as the result is.
The program sees the host's files, and below the store directory what it was built to use.
`,
      ),
  pairFlags: EXPRESSION_PAIR_FLAGS,
  passesThrough: true,
  optionsOf: (operands, given) => {
    const { flags } = applySettings(given);
    const isNamed = flags.file !== undefined || flags.expr !== undefined;
    const program = isNamed ? undefined : operands[0];
    const args = isNamed ? operands : operands.slice(1);
    const selects = isNamed || flags.attr !== undefined;
    return {
      ...derivationFlags(flags),
      program: selects ? undefined : program,
      args,
      expression: expressionOf(program === undefined ? [] : [program], given),
    };
  },
  run: runProgram,
});

async function runProgram(options: RunOptions, session: Session): Promise<number> {
  const { program, args } = options;
  const { runInStore } = await import("../store-run.ts");
  const { storeDir } = session.config;
  if (program === undefined || isExpression(program, session)) {
    const { evaluateAndBuild, selectedPaths } = await import("../evaluate-and-build.ts"); // loads builder and sandbox
    const store = await session.openStore();
    await using lease = await store.leases.openLease("run");
    const [storePath, ...more] = selectedPaths(await evaluateAndBuild(options.expression, options, session, lease));
    if (more.length > 0)
      throw new CliError(
        "invalid-target",
        `one program is run, but there are ${1 + more.length} results: choose one by -A`,
      );
    const file = await mainProgram(await findTarget(storePath, session), storePath, session);
    return await runInStore({ storePaths: [storePath], program: file, args }, session);
  }
  const target = await findTarget(program, session);
  const storePath = target.path.absolute(storeDir);
  const isResult = target.rest === "" && target.node.kind === "directory";
  if (!isResult) checkProgram(target, program);
  const file = isResult ? await mainProgram(target, program, session) : storePath + textOf(target.rest);
  return await runInStore({ storePaths: [storePath], program: file, args }, session);
}

/** Whether it is a file or directory of the host with an expression, and no place of the store. */
function isExpression(program: string, session: Session): boolean {
  const path = resolve(session.config.workingDirectory, program);
  const stats = statSync(path, { throwIfNoEntry: false });
  const file = stats?.isDirectory() === true ? join(path, "default.nix") : path;
  if (stats === undefined || !file.endsWith(".nix") || !existsSync(file)) return false;
  try {
    findPlace(program, session);
    return false;
  } catch {
    return true;
  }
}

/** Throws unless the target can be a program. */
function checkProgram({ node }: StoreTarget, program: string): void {
  if (node.kind === "symlink" || (node.kind === "file" && node.executable)) return;
  const what = node.kind === "file" ? "is not executable" : "is a directory, name a program in it";
  throw new CliError("invalid-target", `'${program}' ${what}`);
}

/** The program of a result: itself, the only one below its bin, or the one that is called like it. Throws `invalid-target` with what there is. */
async function mainProgram({ path, info }: StoreTarget, shown: string, session: Session): Promise<string> {
  const storePath = path.absolute(session.config.storeDir);
  if (info.node.kind === "file" && info.node.executable) return storePath;
  const store = await session.openStore();
  const bin = await lookup(store, info.node, "bin", { signal: session.signal });
  const entries = bin?.kind === "directory" ? (await needDirectory(store.directories, bin.digest)).entries : [];
  const programs = entries.map(({ name }) => textOf(name));
  const name = path.name.replace(/-[^A-Za-z].*$/, "");
  const found = programs.length === 1 ? programs[0] : programs.find((program) => program === name);
  if (found !== undefined) return `${storePath}/bin/${found}`;
  const hint =
    programs.length === 0
      ? "it has no programs below bin"
      : `name one of its programs: ${programs.map((program) => `${shown.replace(/\/+$/, "")}/bin/${program}`).join(", ")}`;
  throw new CliError("invalid-target", `'${shown}' is no program; ${hint}`);
}
