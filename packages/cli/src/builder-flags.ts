/*
Flags of all commands that execute builders: which sandbox, how many at once, and the limits of each.
*/

import { availableParallelism } from "node:os";
import { posix } from "node:path";
import type { Command } from "commander";
import { collect, type Flags } from "./command.ts";
import { CliError } from "./error.ts";
import { wholeNumber } from "./expression.ts";
import { remoteBuilders } from "./remote-builders.ts";
import { parseSize } from "./size.ts";

const SANDBOXES = ["auto", "bubblewrap", "runc", "crun", "nspawn", "unshare", "none"] as const;

/** Adds the flags. */
export function declareBuilderFlags(command: Command): Command {
  return command
    .option("-j, --jobs <n>", "how many are built at once on this machine, 0 for none (default: one for each core)")
    .option(
      "--builders <urls>",
      "servers that build too: grpc+http://HOST:PORT?jobs=N&systems=S,…, with spaces between",
    )
    .option("--build-space <size>", "most space a build may take, such as 500M or 20G")
    .option("--timeout <seconds>", "longest time a build may take")
    .option("--max-silent-time <seconds>", "longest time a build may say nothing")
    .option("--memory <size>", "most memory a build may use, such as 2G; needs rights over cgroups")
    .option("--max-log-size <size>", "most a build may print, such as 100M")
    .option("--sandbox <kind>", `${SANDBOXES.join(", ")} (default: auto)`)
    .option("--relaxed-sandbox", "show the host to derivations that ask for it (__noChroot)")
    .option(
      "--sandbox-path <path>",
      "show a path of the host to builders: PATH or INSIDE=PATH, a '?' behind it if it may be missing; repeatable",
      collect((text: string) => text),
    )
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
  const setting = text("sandboxSetting");
  const given = text("sandbox") ?? (setting === "false" ? "none" : "auto");
  const sandbox = SANDBOXES.find((kind) => kind === given);
  if (sandbox === undefined) throw new CliError("usage", `--sandbox is one of ${SANDBOXES.join(", ")}, got '${given}'`);
  const size = (name: string, flag: string) =>
    text(name) === undefined ? undefined : parseSize(text(name) as string, flag);
  const limit = (name: string, flag: string) => (text(name) === "0" ? undefined : size(name, flag)); // as above
  const paths = flags.sandboxPath as readonly string[] | string | undefined;
  return {
    jobsMax: (text("jobs") === "auto" ? undefined : number("jobs", "--jobs", 0)) ?? availableParallelism(),
    builders: remoteBuilders(text("builders")),
    sandbox,
    relaxed: flags.relaxedSandbox === true || setting === "relaxed",
    sandboxPaths: (typeof paths === "string" ? words(paths) : (paths ?? [])).map(parseSandboxPath),
    features: text("systemFeatures") === undefined ? undefined : systemFeatures(text("systemFeatures") as string),
    buildSpaceBytes: size("buildSpace", "--build-space"),
    memoryBytes: limit("memory", "--memory"),
    logBytesMax: limit("maxLogSize", "--max-log-size"),
    timeoutMs: seconds("timeout", "--timeout"),
    silenceMs: seconds("maxSilentTime", "--max-silent-time"),
    keepGoing: flags.keepGoing === true,
    quiet: flags.quiet === true,
    printLogs: flags.printBuildLogs === true,
  };
}

/** Nix's `INSIDE=HOST?` of `sandbox-paths`. DEVIATION: such paths are read-only, since builders here are the user by another name. */
function parseSandboxPath(text: string): { path: string; hostPath: string; optional: boolean } {
  const optional = text.endsWith("?");
  const [inside, host = inside] = (optional ? text.slice(0, -1) : text).split("=", 2);
  const path = posix.normalize(inside).slice(1);
  if (!inside.startsWith("/") || !host.startsWith("/") || path === "")
    throw new CliError("usage", `a sandbox path is an absolute path, or two with a '=' between, got '${text}'`);
  return { path, hostPath: host, optional };
}

function systemFeatures(text: string): string[] {
  const features = [...new Set(words(text))];
  if (features.includes("uid-range"))
    throw new CliError("usage", "builders here have one user id, so the system feature uid-range cannot be offered");
  return features;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
