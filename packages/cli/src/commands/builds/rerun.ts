/* `firn builds rerun`: a new attempt of a recipe that was built before, to see whether it fails again, or makes the same. */

import { findAttempt } from "../../attempt-choice.ts";
import { attemptJson, attemptRow } from "../../attempt-text.ts";
import { builderFlags, declareBuilderFlags } from "../../builder-flags.ts";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import type { RecipeBuildOptions } from "../../recipe-builds.ts";
import type { Session } from "../../session.ts";

type RerunOptions = RecipeBuildOptions & { readonly build: string; readonly json: boolean };

export const command = defineCommand<RerunOptions>({
  store: "local",
  declare: (command) =>
    declareBuilderFlags(
      command.argument("<build>", "id of a build, the beginning of one, or a label, which is the newest of that name"),
    )
      .option("--json", "print the new build as one object")
      .addHelpText(
        "after",
        examples(
          ["firn builds rerun -L hello-2.12", "once more, with all it says"],
          ["firn builds compare 3f2 a41", "and what came out differently"],
        ),
      ),
  optionsOf: ([build], flags) => ({ ...builderFlags(flags), build, reuse: "never", json: flags.json === true }),
  run: rerun,
});

async function rerun({ build, json, ...options }: RerunOptions, session: Session): Promise<number> {
  const { buildRecipes, exitCodeOfAttempts } = await import("../../recipe-builds.ts"); // loads builder and sandbox
  const earlier = await findAttempt(build, session);
  const recipe = await (await session.openBuilds()).attempts.recipe(earlier.resolved ?? earlier.recipe);
  if (recipe === undefined) throw new CliError("not-found", `the recipe of build ${earlier.id} is not known any more`);
  const store = await session.openStore();
  await using lease = await store.leases.openLease(`rerun ${earlier.label}`);
  const attempts = await buildRecipes([{ recipe, label: earlier.label }], options, session, lease);
  const { output } = session;
  for (const attempt of attempts)
    await (json ? output.json(attemptJson(attempt)) : output.line(attemptRow(attempt, output, Date.now())));
  return exitCodeOfAttempts(attempts);
}
