/*
`firn store copy`: paths with all they refer to from one store to another. Only what the target lacks travels; what was stopped goes on when it is run
again.
*/

import { copyPaths } from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { humanBytes, LiveLine } from "../../live-line.ts";
import type { OpenedStore } from "../../opened-store.ts";
import type { Session } from "../../session.ts";
import { printCount } from "../../size.ts";
import { STORE_FORMS } from "../../store-choice.ts";
import { findPlace } from "../../store-target.ts";

export type CopyOptions = {
  readonly paths: readonly string[];
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly all: boolean;
  readonly json: boolean;
};

export const command = defineCommand<CopyOptions>({
  declare: (command) =>
    command
      .argument("[path...]", "store paths, or links to results")
      .option("--from <store>", `the store that has them (default: Firn's own): ${STORE_FORMS}`)
      .option("--to <store>", "the store that gets them (default: Firn's own)")
      .option("--all", "all paths of the source")
      .option("--json", "print {copied, bytes, bytesSpared}")
      .addHelpText(
        "after",
        examples(
          ["firn store copy --to objects:/mnt/cache ./result", "into a directory that Snix reads as well"],
          ["firn store copy --from sqlite:old.sqlite --all", "all of another store into Firn's own"],
        ),
      ),
  optionsOf: (operands, flags) => {
    const { from, to } = flags as { from?: string; to?: string };
    const all = flags.all === true;
    if (from === undefined && to === undefined) throw new CliError("usage", "say --from STORE, --to STORE, or both");
    if (all === operands.length > 0) throw new CliError("usage", "name paths, or say --all");
    return { paths: operands, from, to, all, json: flags.json === true };
  },
  run: copy,
});

async function copy({ paths, from, to, all, json }: CopyOptions, session: Session): Promise<undefined> {
  const { output, signal, config } = session;
  const places = paths.map((text) => findPlace(text, session).path);
  await using others = new AsyncDisposableStack();
  const open = async (text: string | undefined): Promise<OpenedStore> =>
    text === undefined ? session.openServices() : others.use(await session.openOther(text));
  const source = await open(from);
  const target = await open(to);
  if (all) for await (const { path } of source.pathInfos.list({ signal })) places.push(path);
  await using _lease = await target.openLease(`copy from ${source.label}`);
  using line = new LiveLine(output);
  const result = await copyPaths(places, source, target, {
    signal,
    lease: _lease,
    registeredAt: Math.floor(Date.now() / 1000),
    onProgress: ({ paths: done, pathsTotal, bytes }) =>
      line.show(() => `copying: ${done} of ${pathsTotal} paths, ${humanBytes(bytes)}`),
  });
  line[Symbol.dispose]();
  const { bytes, bytesSpared } = result;
  const copied = result.copied.map((path) => path.absolute(config.storeDir));
  if (json) await output.json({ copied, bytes, bytesSpared });
  else {
    for (const path of copied) await output.line(path);
    const spared = bytesSpared === 0 ? "" : `, ${humanBytes(bytesSpared)} were there`;
    await output.note(
      `copied ${printCount(copied.length, "path")} to ${target.label}: ${humanBytes(bytes)} came${spared}`,
    );
  }
  return undefined;
}
