/* `firn log`: what the builder of a derivation said, named by the derivation or by something it made. */

import type { ByteString } from "@firn/base";
import type { Attempt } from "@firn/build";
import { type LogOptions, printLog } from "../attempt-log.ts";
import { defineCommand, examples } from "../command.ts";
import { readDerivation } from "../derivation-file.ts";
import { CliError } from "../error.ts";
import type { Session } from "../session.ts";
import { findPlace } from "../store-target.ts";

type DerivationLogOptions = LogOptions & { readonly path: string };

export const command = defineCommand<DerivationLogOptions>({
  store: "local",
  declare: (command) =>
    command
      .argument("<path>", "a derivation, a store path that was built here, or a link to a result")
      .option("-f, --follow", "if it is being built, go on until that ended")
      .option("--json", "print {id, label, log}")
      .addHelpText("after", examples(["firn log ./result", "what was said while this was built"])),
  optionsOf: ([path], flags) => ({ path, follow: flags.follow === true, json: flags.json === true }),
  run: log,
});

async function log({ path, ...options }: DerivationLogOptions, session: Session): Promise<undefined> {
  await printLog(await findBuildOf(path, session), options, session);
  return undefined;
}

/** The newest build of what made the path. Throws `not-found`. */
export async function findBuildOf(text: string, session: Session): Promise<Attempt> {
  const { attempts } = await session.openBuilds();
  const { labels, outputs } = await wantedBy(text, session);
  for (const label of labels) {
    let cursor: string | undefined;
    do {
      const page = await attempts.list({ label, cursor });
      for (const attempt of page.attempts) {
        // A failure has no outputs; its recipe says which it was to make.
        const recipe =
          attempt.outputs.length > 0 ? undefined : await attempts.recipe(attempt.resolved ?? attempt.recipe);
        const made = recipe?.outputs ?? attempt.outputs.map(({ path }) => path);
        if (outputs === undefined || made.some((path) => outputs.includes(`/${path}`))) return attempt;
      }
      cursor = page.next;
    } while (cursor !== undefined);
  }
  throw new CliError("not-found", `no build of '${text}' is known here: it was fetched, or built long ago`);
}

/** Names builds of it may have, and the outputs they make; undefined when these are not known before the build. */
async function wantedBy(
  text: string,
  session: Session,
): Promise<{ readonly labels: readonly string[]; readonly outputs?: readonly ByteString[] }> {
  if (text.endsWith(".drv")) {
    const [, { name, outputs }] = await readDerivation(text, session);
    const paths = Array.from(outputs.values(), ({ path }) => path);
    return { labels: [name], outputs: paths.includes("") ? undefined : paths };
  }
  const { path } = findPlace(text, session);
  // Outputs other than `out` have their name behind that of the derivation.
  return { labels: [path.name, path.name.replace(/-[^-]*$/, "")], outputs: [path.absolute(session.config.storeDir)] };
}
