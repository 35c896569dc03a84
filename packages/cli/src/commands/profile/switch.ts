/* `firn profile switch`: any generation becomes the current one. */

import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { wholeNumber } from "../../expression.ts";
import { declareProfile, needProfile, profileLink, switchTo } from "../../profile.ts";

export type SwitchOptions = { readonly profile: string | undefined; readonly number: number };

export const command = defineCommand<SwitchOptions>({
  declare: (command) =>
    declareProfile(command.argument("<generation>", "its number")).addHelpText(
      "after",
      examples(["firn profile switch 7 --profile tools", "to the generation that was made as the seventh"]),
    ),
  optionsOf: ([number], flags) => ({
    profile: flags.profile as string | undefined,
    number: wholeNumber("<generation>", number, 1),
  }),
  run: async ({ profile: name, number }, session) => {
    const profile = needProfile(profileLink(name, session));
    const { link, current, generations } = profile;
    const chosen = generations.find((generation) => generation.number === number);
    if (chosen === undefined) {
      const known = generations.map((generation) => generation.number).join(", ");
      throw new CliError("not-found", `'${link}' has no generation ${number}; there are ${known}`);
    }
    await switchTo(profile, chosen);
    const before = current === undefined ? "" : `, before ${current.number}`;
    await session.output.line(`${link} is at generation ${number}${before}`);
    return undefined;
  },
});
