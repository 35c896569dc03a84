/*
Flags of all commands that execute builders: which sandbox, how many at once, and the limits of each.
*/

import { availableParallelism } from "node:os";
import type { Command } from "commander";
import type { Flags } from "./command.ts";
import { CliError } from "./error.ts";
import { wholeNumber } from "./expression.ts";
import { parseSize } from "./size.ts";

const SANDBOXES = ["auto", "bubblewrap", "unshare"] as const;

/** Adds the flags. */
export function declareBuilderFlags(command: Command): Command {
  return command
    .option("-j, --jobs <n>", "how many are built at once (default: one for each core)")
    .option("--build-space <size>", "most space a build may take, such as 500M or 20G")
    .option("--timeout <seconds>", "longest time a build may take")
    .option("--max-silent-time <seconds>", "longest time a build may say nothing")
    .option("--sandbox <kind>", `${SANDBOXES.join(", ")} (default: auto)`)
    .option("--relaxed-sandbox", "show the host to derivations that ask for it (__noChroot)")
    .option("-k, --keep-going", "after a failure go on with what does not need it")
    .option("-L, --print-build-logs", "print all builders say, on a terminal too")
    .option("-q, --quiet", "show no progress");
}

/** What they say. Throws `usage`. */
export function builderFlags(flags: Flags) {
  const text = (name: string) => flags[name] as string | undefined;
  const number = (name: string, flag: string, min: number) => {
    const value = text(name);
    return value === undefined ? undefined : wholeNumber(flag, value, min);
  };
  const seconds = (name: string, flag: string) => {
    const value = number(name, flag, 0);
    return value === undefined || value === 0 ? undefined : value * 1000; // 0 is Nix's word for no limit
  };
  const sandbox = SANDBOXES.find((kind) => kind === (text("sandbox") ?? "auto"));
  if (sandbox === undefined)
    throw new CliError("usage", `--sandbox is one of ${SANDBOXES.join(", ")}, got '${text("sandbox")}'`);
  const space = text("buildSpace");
  return {
    jobsMax: (text("jobs") === "auto" ? undefined : number("jobs", "--jobs", 1)) ?? availableParallelism(),
    sandbox,
    // Other values than this one cannot make what is built see more, or less, than the sandbox shows.
    relaxed: flags.relaxedSandbox === true || flags.sandboxSetting === "relaxed",
    buildSpaceBytes: space === undefined ? undefined : parseSize(space, "--build-space"),
    timeoutMs: seconds("timeout", "--timeout"),
    silenceMs: seconds("maxSilentTime", "--max-silent-time"),
    keepGoing: flags.keepGoing === true,
    quiet: flags.quiet === true,
    printLogs: flags.printBuildLogs === true,
  };
}
