/*
Installs the Debian packages of debian-packages.txt that are missing, so that tests find what they compare with. It does
so only as root and with apt-get; elsewhere the tests that need something skip with their reason. What apt prints goes
to a log file, which is named when it failed.
*/

import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { onPath } from "./need.ts";

const ATTEMPTS = 2;

/** Package names of a list: one a line, `#` starts a comment. */
export function parsePackages(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((name) => name !== "");
}

/** Installs what is missing. Answers with what to tell the reader, or undefined when there was nothing to do. */
export function installDebianPackages(root: string): string | undefined {
  if (onPath("apt-get") === undefined) return "no apt-get here: tests whose component is missing are skipped";
  const wanted = parsePackages(readFileSync(join(root, "dev", "debian-packages.txt"), "utf8"));
  const missing = wanted.filter((name) => !isInstalled(name));
  if (missing.length === 0) return undefined;
  if (process.getuid?.() !== 0) return `not root, so not installing ${missing.join(", ")}: their tests are skipped`;
  const logFile = join(root, ".cache", "apt.log");
  mkdirSync(join(root, ".cache"), { recursive: true });
  const log = openSync(logFile, "a");
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      // Package lists first: on a fresh machine there are none, and old ones name files that are gone.
      runApt(["update"], log);
      if (runApt(["install", "--yes", "--no-install-recommends", ...missing], log))
        return `installed ${missing.join(", ")}`;
    }
  } finally {
    closeSync(log);
  }
  return `apt-get could not install ${missing.join(", ")} (see ${logFile}): their tests are skipped`;
}

function isInstalled(name: string): boolean {
  const query = spawnSync("dpkg-query", ["-W", "-f", "${db:Status-Status}", name], { encoding: "utf8" });
  return query.status === 0 && query.stdout === "installed";
}

function runApt(args: string[], log: number): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold", "--quiet"];
  return spawnSync("apt-get", [...options, ...args], { env, stdio: ["ignore", log, log] }).status === 0;
}
