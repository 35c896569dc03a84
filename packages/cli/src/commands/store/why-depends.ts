/* `firn store why-depends`: the way from one path to another, and the places in files that make it. Exit code 1 when there is none. */

import { textOf } from "@firn/base";
import { whyDepends } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { namedPaths } from "../../path-selection.ts";
import type { Session } from "../../session.ts";
import { findPlace } from "../../store-target.ts";

export type WhyDependsOptions = {
  readonly path: string;
  readonly dependency: string;
  readonly all: boolean;
  readonly json: boolean;
};

const MENTIONS = 3;
const MENTIONS_ALL = 100_000;

export const command = defineCommand<WhyDependsOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<path>", "a store path, or a link to a result")
      .argument("<dependency>", "what it may need")
      .option("--all", `all files that name the next path, not the first ${MENTIONS}`)
      .option("--json", "print a list of {from, to, mentions: [{file, at, excerpt}]}, or null")
      .addHelpText(
        "after",
        examples(["firn store why-depends ./result /nix/store/…-glibc", "exit code 1 when it does not"]),
      ),
  optionsOf: ([path, dependency], flags) => ({ path, dependency, all: flags.all === true, json: flags.json === true }),
  run: explain,
});

async function explain({ path, dependency, all, json }: WhyDependsOptions, session: Session): Promise<number> {
  const { output, signal, config } = session;
  const store = await session.openServices();
  const [from] = await namedPaths([path], store, session);
  const to = findPlace(dependency, session).path;
  const print = (one: { absolute(storeDir: string): string }) => one.absolute(config.storeDir);
  const mentionsMax = all ? MENTIONS_ALL : MENTIONS;
  const steps = await whyDepends(from.path, to, store, { signal, mentionsMax });
  if (json) {
    const rows = steps?.map((step) => ({
      from: print(step.from.path),
      to: print(step.to.path),
      mentions: step.mentions.map(({ path: file, at, excerpt }) => ({ file: textOf(file), at, excerpt })),
    }));
    await output.json(rows ?? null);
    return steps === undefined ? 1 : 0;
  }
  if (steps === undefined) {
    await output.note(`${print(from.path)} does not depend on ${print(to)}`);
    return 1;
  }
  await output.line(print(from.path));
  for (const [depth, step] of steps.entries()) {
    const indent = "    ".repeat(depth);
    for (const { path: file, excerpt } of step.mentions)
      await output.byteString(`${indent}  ${file === "" ? "the file itself" : file}: ...${excerpt}...\n`);
    if (step.mentions.length === 0) await output.line(`${indent}  (no file names it; it was declared)`);
    await output.line(`${indent}└── ${print(step.to.path)}`);
  }
  return 0;
}
