/* `firn profile history`: what a profile led to, and since when. */

import { defineCommand, examples } from "../../command.ts";
import { declareProfile, needProfile, profileLink } from "../../profile.ts";

export type HistoryOptions = { readonly profile: string | undefined; readonly json: boolean };

export const command = defineCommand<HistoryOptions>({
  declare: (command) =>
    declareProfile(command)
      .option("--json", "print a list of {generation, current, madeAt, path, link}")
      .addHelpText(
        "after",
        examples(["firn profile history --profile tools", "its generations, the current one marked"]),
      ),
  optionsOf: (_, flags) => ({ profile: flags.profile as string | undefined, json: flags.json === true }),
  run: async ({ profile: name, json }, session) => {
    const { output, config } = session;
    const { generations, current } = needProfile(profileLink(name, session));
    const rows = generations.map((generation) => ({
      generation: generation.number,
      current: generation === current,
      madeAt: Math.floor(generation.madeAtMs / 1000),
      path: generation.path.absolute(config.storeDir),
      link: generation.link,
    }));
    if (json) await output.json(rows);
    const width = `${rows.at(-1)?.generation}`.length;
    for (const { generation, current: isCurrent, madeAt, path } of json ? [] : rows) {
      const date = new Date(madeAt * 1000).toISOString().slice(0, 19).replace("T", " ");
      await output.line(`${isCurrent ? "*" : " "} ${`${generation}`.padStart(width)}  ${date}  ${path}`);
    }
    return undefined;
  },
});
