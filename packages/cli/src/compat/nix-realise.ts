/*
How Nix's older programs build: what nix.conf and flags say as options of `realise`. The output of builders is shown unless it is turned off.
*/

import { availableParallelism } from "node:os";
import type { RealiseOptions } from "../realise.ts";
import type { NixSettings } from "./nix-settings.ts";

/** Settings as options; as in Nix, 0 is no limit, and all cores. DEVIATION: without `max-jobs` as many builds run as there are cores. */
export function realiseOptionsOf(settings: NixSettings): RealiseOptions {
  const number = (name: string) => Number(settings.get(name) ?? 0);
  const limit = (name: string, unit: number) => (number(name) === 0 ? undefined : number(name) * unit);
  const jobs = settings.get("max-jobs") ?? "auto";
  return {
    sandbox: settings.get("sandbox") === "false" ? "none" : "auto",
    relaxed: settings.get("sandbox") === "relaxed",
    jobsMax: jobs === "auto" ? availableParallelism() : Math.max(1, Number(jobs)),
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
