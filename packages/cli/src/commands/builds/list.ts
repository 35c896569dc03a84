/* `firn builds list`: attempts that wait, run and ended, newest first. */

import type { AttemptFilter, AttemptStatus } from "@firn/build";
import { parseDigest } from "@firn/castore";
import { attemptJson, attemptRow } from "../../attempt-text.ts";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { wholeNumber } from "../../expression.ts";
import type { Session } from "../../session.ts";
import { parseAge } from "../../size.ts";

const STATUSES = ["waiting", "running", "succeeded", "failed"] as const;
const LIMIT = 50;

type ListOptions = Omit<AttemptFilter, "sinceMs"> & { readonly agoSeconds?: number; readonly json: boolean };

export const command = defineCommand<ListOptions>({
  declare: (command) =>
    command
      .option("--status <status>", `only these: ${STATUSES.join(", ")}`)
      .option("--label <label>", "only builds of this name")
      .option("--recipe <digest>", "only builds of this recipe")
      .option("--since <age>", "only builds not older than 30m, 12h or 7d")
      .option("-n, --limit <n>", `how many (default: ${LIMIT})`)
      .option("--cursor <place>", "go on after the last page, by the `next` it ended with")
      .option("--json", "print {attempts, next}")
      .addHelpText(
        "after",
        examples(
          ["firn builds list", "the newest builds, of all Firns of this user"],
          ["firn builds list --status failed --since 1d", "what failed since yesterday"],
        ),
      ),
  optionsOf: (_operands, flags) => {
    const text = (name: string) => flags[name] as string | undefined;
    const [status, recipe, since, limit] = [text("status"), text("recipe"), text("since"), text("limit")];
    if (status !== undefined && !STATUSES.includes(status as AttemptStatus))
      throw new CliError("usage", `--status is one of ${STATUSES.join(", ")}, got '${status}'`);
    return {
      status: status as AttemptStatus | undefined,
      label: text("label"),
      recipe: recipe === undefined ? undefined : parseDigest(recipe),
      agoSeconds: since === undefined ? undefined : parseAge(since, "--since"),
      limit: limit === undefined ? LIMIT : wholeNumber("--limit", limit, 1),
      cursor: text("cursor"),
      json: flags.json === true,
    };
  },
  run: list,
});

async function list({ json, agoSeconds, ...filter }: ListOptions, session: Session): Promise<undefined> {
  const { output } = session;
  const { attempts } = await session.openBuilds();
  const nowMs = Date.now();
  const sinceMs = agoSeconds === undefined ? undefined : nowMs - agoSeconds * 1000;
  const page = await attempts.list({ ...filter, sinceMs });
  if (json) {
    await output.json({ attempts: page.attempts.map(attemptJson), next: page.next });
    return undefined;
  }
  for (const attempt of page.attempts) await output.line(attemptRow(attempt, output, nowMs));
  if (page.attempts.length === 0) await output.note("no builds");
  if (page.next !== undefined) await output.note(`there are more: --cursor ${page.next}`);
  return undefined;
}
