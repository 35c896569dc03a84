/* `firn builds log`: what a build said, also while it runs, in whichever process. */

import { findAttempt } from "../../attempt-choice.ts";
import { type LogOptions, printLog } from "../../attempt-log.ts";
import { defineCommand, examples } from "../../command.ts";
import type { Session } from "../../session.ts";

type BuildLogOptions = LogOptions & { readonly attempt: string };

export const command = defineCommand<BuildLogOptions>({
  store: "local",
  declare: (command) =>
    command
      .argument("<build>", "id of a build, the beginning of one, or a label, which is the newest of that name")
      .option("-f, --follow", "go on until the build ended")
      .option("--json", "print {id, label, log}")
      .addHelpText(
        "after",
        examples(["firn builds log -f hello-2.12", "reads along with a build in another terminal"]),
      ),
  optionsOf: ([attempt], flags) => ({ attempt, follow: flags.follow === true, json: flags.json === true }),
  run: log,
});

async function log({ attempt, ...options }: BuildLogOptions, session: Session): Promise<undefined> {
  await printLog(await findAttempt(attempt, session), options, session);
  return undefined;
}
