/* `firn profile wipe-history`: generations that are not current are removed, so that what they led to can be collected. */

import { defineCommand, examples } from "../../command.ts";
import { declareProfile, needProfile, oldGenerations, profileLink, removeGenerations } from "../../profile.ts";
import { parseAge, printCount } from "../../size.ts";

export type WipeHistoryOptions = {
  readonly profile: string | undefined;
  readonly olderThanMs: number | undefined;
  readonly dryRun: boolean;
};

export const command = defineCommand<WipeHistoryOptions>({
  store: "local",
  declare: (command) =>
    declareProfile(command)
      .option("--older-than <age>", "only those that were current at no time since, such as 30d")
      .option("-n, --dry-run", "print what would be removed, remove nothing")
      .addHelpText(
        "after",
        `${examples(["firn profile wipe-history --older-than 30d", "keeps what was in use within a month"])}
What they held is deleted by the next firn store gc.
`,
      ),
  optionsOf: (_, flags) => ({
    profile: flags.profile as string | undefined,
    olderThanMs: flags.olderThan === undefined ? undefined : parseAge(flags.olderThan as string, "--older-than") * 1000,
    dryRun: flags.dryRun === true,
  }),
  run: async ({ profile: name, olderThanMs, dryRun }, session) => {
    const { output } = session;
    const old = oldGenerations(needProfile(profileLink(name, session)), olderThanMs);
    if (!dryRun) await removeGenerations(old, session);
    for (const { link } of old) await output.note(`${link} ${dryRun ? "would be removed" : "removed"}`);
    await output.line(`${printCount(old.length, "generation")} ${dryRun ? "would be removed" : "removed"}`);
    return undefined;
  },
});
