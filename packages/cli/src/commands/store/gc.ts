/* `firn store gc`: deletes what no root, no link to a result and no running command needs. */

import type { GarbageOptions } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { collect, type Collected, showCollecting, upkeepOf } from "../../garbage.ts";
import { humanBytes } from "../../live-line.ts";
import type { Session } from "../../session.ts";
import { parseAge, parseSize, printCount } from "../../size.ts";

export type GcCommandOptions = {
  readonly dryRun: boolean;
  readonly maxFreedBytes: number | undefined;
  readonly generationsOlderThanMs: number | undefined;
  readonly keepNewerThanMs: number | undefined;
  readonly json: boolean;
};

export const command = defineCommand<GcCommandOptions>({
  declare: (command) =>
    command
      .option("-n, --dry-run", "print what would be deleted, delete nothing")
      .option("--max-freed <size>", "stop once the deleted paths add up to this much, such as 20G")
      .option("--older-than <age>", "remove generations of profiles that are older first, such as 30d or 12h")
      .option("--keep-newer-than <age>", "keep paths that were registered within this time, needed or not")
      .option("--json", "print {generations, deadPaths, livePaths, directories, blobs, chunks, freedBytes, markMs}")
      .addHelpText(
        "after",
        `${examples(
          ["firn store gc --dry-run", "what is not needed any more"],
          ["firn store gc --older-than 30d", "deletes it, and results that profiles had until a month ago"],
          ["firn store gc --keep-newer-than 2d", "deletes it unless it is new"],
          ["firn store gc --store grpc+http://HOST:7420", "has a server do it, which wants an admin token if any"],
        )}
Needed is what roots hold (firn store roots), links to results and generations of
profiles among them, and what running commands use. Interrupting it at any time is harmless.
`,
      ),
  store: "any",
  optionsOf: (_, flags) => {
    const text = (name: string) => flags[name] as string | undefined;
    const size = text("maxFreed");
    const age = (name: string, flag: string) => {
      const given = text(name);
      return given === undefined ? undefined : parseAge(given, flag) * 1000;
    };
    return {
      dryRun: flags.dryRun === true,
      maxFreedBytes: size === undefined ? undefined : parseSize(size, "--max-freed"),
      generationsOlderThanMs: age("olderThan", "--older-than"),
      keepNewerThanMs: age("keepNewerThan", "--keep-newer-than"),
      json: flags.json === true,
    };
  },
  run: collectGarbage,
});

async function collectElsewhere(options: GarbageOptions, session: Session): Promise<Collected> {
  const upkeep = await upkeepOf(session);
  const result = await showCollecting((onProgress) => upkeep.collectGarbage({ ...options, onProgress }), session);
  return { ...result, generations: [] };
}

async function collectGarbage(options: GcCommandOptions, session: Session): Promise<undefined> {
  const { output, config, signal } = session;
  const { dryRun, maxFreedBytes, generationsOlderThanMs: olderThanMs, keepNewerThanMs } = options;
  const wanted = {
    dryRun,
    ...(maxFreedBytes === undefined ? {} : { maxFreedBytes }),
    ...(keepNewerThanMs === undefined ? {} : { registeredBefore: Math.floor((Date.now() - keepNewerThanMs) / 1000) }),
    signal,
  };
  if (!session.isLocal && olderThanMs !== undefined)
    throw new CliError(
      "usage",
      "--older-than is for profiles of this machine, whose store is another one: leave it out",
    );
  const result = session.isLocal
    ? await collect({ ...wanted, ...(olderThanMs === undefined ? {} : { oldGenerations: { olderThanMs } }) }, session)
    : await collectElsewhere(wanted, session);
  const deadPaths = result.deadPaths.map((path) => path.absolute(config.storeDir)).sort();
  if (options.json) {
    await output.json({ ...result, generations: result.generations.map(({ link }) => link), deadPaths });
    return undefined;
  }
  for (const { link } of result.generations) await output.note(`${link} ${dryRun ? "would be removed" : "removed"}`);
  if (dryRun) for (const path of deadPaths) await output.line(path);
  const paths = printCount(deadPaths.length, "store path");
  const summary = `${paths} ${dryRun ? "would be deleted" : "deleted"}, ${humanBytes(result.freedBytes)} freed, ${result.livePaths} kept`;
  if (dryRun) await output.note(summary);
  else await output.line(summary);
  return undefined;
}
