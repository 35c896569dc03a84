/* `firn builds show`: all that is known of one attempt. */

import { findAttempt } from "../../attempt-choice.ts";
import { attemptJson, attemptText } from "../../attempt-text.ts";
import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";

type ShowOptions = { readonly attempt: string; readonly json: boolean };

export const command = defineCommand<ShowOptions>({
  declare: (command) =>
    command
      .argument("<build>", "id of a build, the beginning of one, or a label, which is the newest of that name")
      .option("--json", "print it as one object")
      .addHelpText("after", examples(["firn builds show hello-2.12", "the newest build of that name"])),
  optionsOf: ([attempt], flags) => ({ attempt, json: flags.json === true }),
  run: show,
});

async function show({ attempt: text, json }: ShowOptions, session: Session): Promise<undefined> {
  const attempt = await findAttempt(text, session);
  await (json ? session.output.json(attemptJson(attempt)) : session.output.line(attemptText(attempt, Date.now())));
  return undefined;
}
