/*
`firn store publish`: paths with all they need as static files, which any web server can serve and `castore+https://…` reads. Run again, it writes what is new.
*/

import { resolve } from "node:path";
import { publishStatic } from "@firn/backend-castore-http";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { humanBytes, LiveLine } from "../../live-line.ts";
import type { Session } from "../../session.ts";
import { printCount } from "../../size.ts";
import { findPlace } from "../../store-target.ts";

export type PublishCommandOptions = {
  readonly directory: string;
  readonly paths: readonly string[];
  readonly all: boolean;
  readonly json: boolean;
};

export const command = defineCommand<PublishCommandOptions>({
  declare: (command) =>
    command
      .argument("<directory>", "where the files go; it is made when it is not there")
      .argument("[path...]", "store paths, or links to results")
      .option("--all", "all paths of the store")
      .option("--json", "print {published, files, bytes}")
      .addHelpText(
        "after",
        examples(
          ["firn store publish /srv/www/firn ./result", "a result and all it needs"],
          ["firn store copy --from castore+https://example.org/firn PATH", "what others do then"],
        ),
      ),
  store: "any",
  optionsOf: ([directory, ...paths], flags) => {
    const all = flags.all === true;
    if (all === paths.length > 0) throw new CliError("usage", "name paths, or say --all");
    return { directory, paths, all, json: flags.json === true };
  },
  run: publish,
});

async function publish({ directory, paths, all, json }: PublishCommandOptions, session: Session): Promise<undefined> {
  const { output, signal, config } = session;
  const places = paths.map((text) => findPlace(text, session).path);
  const store = await session.openServices();
  if (all) for await (const { path } of store.pathInfos.list({ signal })) places.push(path);
  await using _lease = await store.openLease(`publish to ${directory}`);
  using line = new LiveLine(output);
  const result = await publishStatic(places, store, resolve(config.workingDirectory, directory), {
    signal,
    onProgress: ({ paths: done, pathsTotal, bytes }) =>
      line.show(() => `publishing: ${done} of ${pathsTotal} paths, ${humanBytes(bytes)}`),
  });
  line[Symbol.dispose]();
  const { files, bytes } = result;
  const published = result.published.map((path) => path.absolute(config.storeDir));
  if (json) await output.json({ published, files, bytes });
  else {
    for (const path of published) await output.line(path);
    await output.note(
      `published ${printCount(published.length, "path")}: ${printCount(files, "new file")}, ${humanBytes(bytes)}`,
    );
  }
  return undefined;
}
