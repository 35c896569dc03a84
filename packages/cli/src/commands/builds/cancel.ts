/* `firn builds cancel`: ends builds, whichever process runs them, and waits until they are gone. */

import { hasEnded, watchStored } from "@firn/build";
import { findAttempt } from "../../attempt-choice.ts";
import { attemptJson, attemptRow } from "../../attempt-text.ts";
import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";

type CancelOptions = { readonly builds: readonly string[]; readonly json: boolean };

export const command = defineCommand<CancelOptions>({
  store: "local",
  declare: (command) =>
    command
      .argument("<build...>", "ids of builds, beginnings of them, or labels")
      .option("--json", "print a list of the builds as they ended")
      .addHelpText("after", examples(["firn builds cancel hello-2.12", "its `firn build` then fails"])),
  optionsOf: (builds, flags) => ({ builds, json: flags.json === true }),
  run: cancel,
});

async function cancel({ builds, json }: CancelOptions, session: Session): Promise<undefined> {
  const { output, signal } = session;
  const { attempts, logs } = await session.openBuilds();
  const { blobs } = await session.openStore();
  const ended = [];
  for (const text of builds) {
    let attempt = await findAttempt(text, session);
    if (!hasEnded(attempt)) {
      await attempts.requestCancel(attempt.id);
      for await (const event of watchStored(attempt, { attempts, logs, blobs }, { log: false, signal }))
        if (event.type === "ended") attempt = event.attempt;
    }
    ended.push(attempt);
    if (!json) await output.line(attemptRow(attempt, output, Date.now()));
  }
  if (json) await output.json(ended.map(attemptJson));
  return undefined;
}
