/* `firn store gc`: deletes what no root, no link to a result and no running command needs. */

import { defineCommand, examples } from "../../command.ts";
import { collect } from "../../garbage.ts";
import { humanBytes } from "../../live-line.ts";
import type { Session } from "../../session.ts";
import { parseAge, parseSize, printCount } from "../../size.ts";

export type GcCommandOptions = {
  readonly dryRun: boolean;
  readonly maxFreedBytes: number | undefined;
  readonly olderThanSeconds: number | undefined;
  readonly json: boolean;
};

export const command = defineCommand<GcCommandOptions>({
  declare: (command) =>
    command
      .option("-n, --dry-run", "print what would be deleted, delete nothing")
      .option("--max-freed <size>", "stop once the deleted paths add up to this much, such as 20G")
      .option("--older-than <age>", "keep paths that were registered within this time, such as 30d or 12h")
      .option("--json", "print {deadPaths, livePaths, directories, blobs, chunks, freedBytes, markMs}")
      .addHelpText(
        "after",
        `${examples(
          ["firn store gc --dry-run", "what is not needed any more"],
          ["firn store gc --older-than 30d", "deletes it unless it is new"],
        )}
Needed is what roots hold (firn store roots), links to results among them, and what
running commands use. Interrupting it at any time is harmless.
`,
      ),
  store: "local",
  optionsOf: (_, flags) => {
    const text = (name: string) => flags[name] as string | undefined;
    const size = text("maxFreed");
    const age = text("olderThan");
    return {
      dryRun: flags.dryRun === true,
      maxFreedBytes: size === undefined ? undefined : parseSize(size, "--max-freed"),
      olderThanSeconds: age === undefined ? undefined : parseAge(age, "--older-than"),
      json: flags.json === true,
    };
  },
  run: collectGarbage,
});

async function collectGarbage(options: GcCommandOptions, session: Session): Promise<undefined> {
  const { output, config } = session;
  const { dryRun, maxFreedBytes, olderThanSeconds } = options;
  const registeredBefore =
    olderThanSeconds === undefined ? undefined : Math.floor(Date.now() / 1000) - olderThanSeconds;
  const result = await collect(
    {
      dryRun,
      ...(maxFreedBytes === undefined ? {} : { maxFreedBytes }),
      ...(registeredBefore === undefined ? {} : { registeredBefore }),
    },
    session,
  );
  const deadPaths = result.deadPaths.map((path) => path.absolute(config.storeDir)).sort();
  if (options.json) {
    await output.json({ ...result, deadPaths });
    return undefined;
  }
  if (dryRun) for (const path of deadPaths) await output.line(path);
  const paths = printCount(deadPaths.length, "store path");
  const summary = `${paths} ${dryRun ? "would be deleted" : "deleted"}, ${humanBytes(result.freedBytes)} freed, ${result.livePaths} kept`;
  if (dryRun) await output.note(summary);
  else await output.line(summary);
  return undefined;
}
