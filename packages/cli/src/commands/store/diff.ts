/* `firn store diff`: what differs between two trees of the store, files down to the ranges of their bytes. Exit code 0 when nothing does, 1 when something does. */

import { type ChangedRange, diffFiles, diffTrees, type TreeDifference } from "@firn/castore";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import type { Session } from "../../session.ts";
import { findTarget } from "../../store-target.ts";
import { differenceJson, differenceRow } from "../../tree-difference.ts";

export type DiffOptions = {
  readonly left: string;
  readonly right: string;
  readonly ranges: number;
  readonly json: boolean;
};

const RANGES = 10;

export const command = defineCommand<DiffOptions>({
  store: "any",
  declare: (command) =>
    command
      .argument("<left>", "a store path, something inside one, or a link to a result")
      .argument("<right>", "the other one")
      .option("--ranges <count>", `at most so many ranges of each file; 0 compares no contents (default: ${RANGES})`)
      .option("--json", "print a list of {path, change, left, right, ranges}")
      .addHelpText(
        "after",
        examples(["firn store diff ./result-1 ./result-2", "- removed, + added, ~ changed"]) +
          "\nExit code 1 when they differ.\n",
      ),
  optionsOf: ([left, right], flags) => {
    const text = (flags.ranges as string | undefined) ?? String(RANGES);
    if (!/^\d{1,6}$/.test(text)) throw new CliError("usage", `--ranges takes a number from 0 to 999999, got '${text}'`);
    return { left, right, ranges: Number(text), json: flags.json === true };
  },
  run: diff,
});

async function diff({ left, right, ranges: rangesMax, json }: DiffOptions, session: Session): Promise<number> {
  const { output, signal } = session;
  const store = await session.openServices();
  const [one, other] = [await findTarget(left, session, { signal }), await findTarget(right, session, { signal })];
  const both = { left: store, right: store };
  const rows: object[] = [];
  let differ = false;
  for await (const difference of diffTrees(one.node, other.node, both, { signal })) {
    differ = true;
    const ranges = await rangesOf(difference);
    if (json) rows.push(differenceJson(difference, ranges));
    else await output.byteString(differenceRow(difference, ranges));
  }
  if (json) await output.json(rows);
  return differ ? 1 : 0;

  async function rangesOf(difference: TreeDifference): Promise<ChangedRange[]> {
    if (difference.kind !== "changed" || rangesMax === 0) return [];
    const { left: from, right: to } = difference;
    return from.kind === "file" && to.kind === "file" ? diffFiles(from, to, both, rangesMax, { signal }) : [];
  }
}
