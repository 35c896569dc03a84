/* `firn profile rollback`: the generation before the current one becomes current. */

import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { declareProfile, needProfile, profileLink, switchTo } from "../../profile.ts";

export type RollbackOptions = { readonly profile: string | undefined };

export const command = defineCommand<RollbackOptions>({
  declare: (command) =>
    declareProfile(command).addHelpText(
      "after",
      examples(
        ["firn profile rollback --profile tools", "to the generation before"],
        ["firn profile switch 7 --profile tools", "to any, newer ones too"],
      ),
    ),
  optionsOf: (_, flags) => ({ profile: flags.profile as string | undefined }),
  run: async ({ profile: name }, session) => {
    const profile = needProfile(profileLink(name, session));
    const { current, generations, link } = profile;
    const before = current === undefined ? undefined : generations[generations.indexOf(current) - 1];
    if (before === undefined) {
      const why =
        current === undefined ? "it leads to none of its generations" : `generation ${current.number} is the oldest`;
      throw new CliError("not-found", `'${link}' cannot be rolled back: ${why}`);
    }
    await switchTo(profile, before);
    await session.output.line(`${link} is at generation ${before.number}, before ${current?.number}`);
    return undefined;
  },
});
