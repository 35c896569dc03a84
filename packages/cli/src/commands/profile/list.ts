/* `firn profile list`: all profiles that are known, with what they lead to. */

import { defineCommand, examples } from "../../command.ts";
import { knownProfiles } from "../../profile.ts";
import { printCount } from "../../size.ts";

export type ListOptions = { readonly json: boolean };

export const command = defineCommand<ListOptions>({
  store: "local",
  declare: (command) =>
    command.option("--json", "print a list of {profile, current, generations, path}").addHelpText(
      "after",
      `${examples(["firn build examples/hello --profile tools", "makes one"])}
A profile is known when it is in $FIRN_HOME/profiles, or was made by --profile.
`,
    ),
  optionsOf: (_, flags) => ({ json: flags.json === true }),
  run: async ({ json }, session) => {
    const { output, config } = session;
    const profiles = await knownProfiles(session);
    if (json) {
      await output.json(
        profiles.map(({ link, current, generations }) => ({
          profile: link,
          current: current?.number,
          generations: generations.length,
          path: current?.path.absolute(config.storeDir),
        })),
      );
      return undefined;
    }
    for (const { link, current, generations } of profiles) {
      const shown =
        current === undefined
          ? "leads to none of its generations"
          : `generation ${current.number} -> ${current.path.absolute(config.storeDir)}`;
      await output.line(`${link}: ${shown} (${printCount(generations.length, "generation")})`);
    }
    return undefined;
  },
});
