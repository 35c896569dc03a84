/* `firn builds compare`: what differs between the outputs of two builds. Exit code 0 when nothing does, 1 when something does. */

import { textOf } from "@firn/base";
import { compareAttempts } from "@firn/build";
import { findAttempt } from "../../attempt-choice.ts";
import { defineCommand, examples } from "../../command.ts";
import { wholeNumber } from "../../expression.ts";
import type { Session } from "../../session.ts";
import { outputDifferenceJson, outputDifferenceRow } from "../../tree-difference.ts";

const RANGES = 10;

type CompareOptions = {
  readonly left: string;
  readonly right: string;
  readonly ranges: number;
  readonly json: boolean;
};

export const command = defineCommand<CompareOptions>({
  store: "local",
  declare: (command) =>
    command
      .argument("<left>", "a build: its id, the beginning of one, or a label")
      .argument("<right>", "another build")
      .option("--ranges <n>", `how many ranges of bytes are shown of a changed file (default: ${RANGES})`)
      .option("--json", "print a list of {output, path, change, left, right, ranges}")
      .addHelpText(
        "after",
        examples(["firn builds compare 3f2 a41", "whether a recipe is reproducible, and where not"]),
      ),
  optionsOf: ([left, right], flags) => {
    const ranges = flags.ranges as string | undefined;
    return {
      left,
      right,
      ranges: ranges === undefined ? RANGES : wholeNumber("--ranges", ranges, 0),
      json: flags.json === true,
    };
  },
  run: compare,
});

async function compare({ left, right, ranges: rangesMax, json }: CompareOptions, session: Session): Promise<number> {
  const { output, signal } = session;
  const [one, other] = [await findAttempt(left, session), await findAttempt(right, session)];
  const store = await session.openStore();
  const rows: object[] = [];
  let differ = false;
  for await (const found of compareAttempts(one, other, store, { rangesMax, signal })) {
    differ = true;
    if (json) rows.push({ output: textOf(found.output), ...outputDifferenceJson(found) });
    else await output.byteString(outputDifferenceRow(found, found.output));
  }
  if (json) await output.json(rows);
  return differ ? 1 : 0;
}
