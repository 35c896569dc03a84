/*
What checks of builds found, for people and for programs: whether derivations came out as before, and if not, which files differ, where in them, and what
that looks like to be caused by.
*/

import { type ByteString, byteStringOfText, textOf } from "@firn/base";
import type { DifferenceCause, ExplainedDifference } from "@firn/build";
import type { CheckedDerivation, CheckRound } from "@firn/glue";
import { outputDifferenceJson, outputDifferenceRow } from "./tree-difference.ts";

const CAUSES: Readonly<Record<DifferenceCause, string>> = {
  timestamp: "the time of the build (SOURCE_DATE_EPOCH is the usual way out)",
  "build-path": "the directory it is built in (-ffile-prefix-map is the usual way out)",
  cores: "how many cores it was told to use",
  order: "the same things in another order (of files, of a hash table, of threads)",
  locale: "the locale (LC_ALL=C is the usual way out)",
  random: "random names or numbers",
};

/** Whether every attempt made the same. */
export function isReproducible({ rounds }: CheckedDerivation): boolean {
  return rounds.every(({ differences }) => differences.length === 0);
}

/** Lines with their ends. */
export function checkText(checked: CheckedDerivation): ByteString {
  const { drvPath, rounds } = checked;
  if (rounds.length === 0) return `${drvPath}: made without a builder, nothing to check\n`;
  const times = rounds.length === 1 ? "once more" : `${rounds.length} times more`;
  if (isReproducible(checked)) return `${drvPath}: built ${times}, came out the same\n`;
  const different = rounds.filter(({ differences }) => differences.length > 0);
  const head = `${drvPath}: built ${times}, came out differently${rounds.length > 1 ? ` ${different.length} times` : ""}\n`;
  return head + different.map(roundText).join("");
}

function roundText({ attempt, cores, buildDirectory, differences }: CheckRound): ByteString {
  const about = `${attempt.builder}, ${cores === 1 ? "1 core" : `${cores} cores`}, in ${buildDirectory}`;
  return `  build ${attempt.id} (${about}):\n${differences.map(differenceText).join("")}`;
}

function differenceText({ difference, causes }: ExplainedDifference): ByteString {
  const rows = outputDifferenceRow(difference, `/${difference.output}`);
  const why = causes.map((cause) => byteStringOfText(`    looks like ${CAUSES[cause]}\n`));
  return `${rows}${why.join("")}`.replace(/^(?=.)/gm, "  ");
}

export function checkJson(checked: CheckedDerivation): object {
  return {
    drvPath: textOf(checked.drvPath),
    outputs: Object.fromEntries(checked.outputs),
    reproducible: isReproducible(checked),
    rounds: checked.rounds.map(({ attempt, cores, buildDirectory, differences }) => ({
      build: attempt.id,
      builder: attempt.builder,
      cores,
      buildDirectory: textOf(buildDirectory),
      differences: differences.map(({ difference, causes }) => ({
        output: textOf(`/${difference.output}`),
        ...outputDifferenceJson(difference),
        causes,
      })),
    })),
  };
}
