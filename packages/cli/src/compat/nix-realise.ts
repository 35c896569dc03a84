/*
How Nix's older programs build: what nix.conf and flags say as options of `realise`. The output of builders is shown unless it is turned off.
*/

import { availableParallelism } from "node:os";
import type { Lease } from "@firn/castore";
import { EXIT } from "../error.ts";
import type { EvaluatedDerivation } from "../evaluator/job.ts";
import { Realiser, type RealiseOptions } from "../realise.ts";
import { buildersOfSetting } from "../remote-builders.ts";
import type { Session } from "../session.ts";
import type { NixSettings } from "./nix-settings.ts";

/** Settings as options; as in Nix, 0 is no limit, and all cores. DEVIATION: without `max-jobs` as many builds run as there are cores. */
export function realiseOptionsOf(settings: NixSettings): RealiseOptions {
  const number = (name: string) => Number(settings.get(name) ?? 0);
  const limit = (name: string, unit: number) => (number(name) === 0 ? undefined : number(name) * unit);
  const jobs = settings.get("max-jobs") ?? "auto";
  return {
    sandbox: settings.get("sandbox") === "false" ? "none" : "auto",
    relaxed: settings.get("sandbox") === "relaxed",
    jobsMax: jobs === "auto" ? availableParallelism() : Number(jobs),
    builders: () => buildersOfSetting(settings.get("builders")),
    cores: number("cores") === 0 ? availableParallelism() : number("cores"),
    buildSpaceBytes: undefined,
    logBytesMax: limit("max-build-log-size", 1),
    timeoutMs: limit("timeout", 1000),
    silenceMs: limit("max-silent-time", 1000),
    keepGoing: settings.isOn("keep-going"),
    substitution: () => settings,
    quiet: false,
    printLogs: settings.get("print-build-logs") === undefined || settings.isOn("print-build-logs"),
  };
}

/** `--check`: builds each derivation again, prints its outputs' paths and yields 104 when one came out differently. */
export async function checkAgain(
  wanted: readonly EvaluatedDerivation[],
  options: RealiseOptions,
  session: Session,
  lease: Lease,
): Promise<number> {
  const { output } = session;
  using realiser = new Realiser(options, session, lease);
  let exitCode: number = EXIT.ok;
  for (const drvPath of new Set(wanted.map((derivation) => derivation.drvPath))) {
    const { outputs, rounds } = await realiser.check(drvPath, "as-usual");
    const differing = new Set(
      rounds.flatMap(({ differences }) => differences.map(({ difference }) => `/${difference.output}`)),
    );
    if (differing.size > 0) exitCode = EXIT.notReproducible;
    for (const path of differing)
      await output.note(`error: derivation '${drvPath}' may not be deterministic: output '${path}' differs`);
    if (differing.size > 0) continue;
    for (const { outputName } of wanted.filter((derivation) => derivation.drvPath === drvPath))
      await output.line(outputs.get(outputName) as string);
  }
  return exitCode;
}
