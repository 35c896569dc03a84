/*
Fetches a Debian source package with apt into .cache, for tests that run what is in it. Nothing outside of that folder is changed and no root
is needed: apt works with lists and status of its own, on the machine's Debian archives with `deb-src` in place of `deb`. What apt prints goes to
.cache/apt.log.
*/

import {
  closeSync,
  existsSync,
  globSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { onPath } from "./need.ts";

const ATTEMPTS = 2;
const TIMEOUT_MS = 120_000;
/** Other archives (a vendor's) need not have sources, and are none of our business. */
const DEBIAN_ARCHIVE = /\/debian(-security)?\/?$/;

/** Where the upstream source of a package is unpacked to. */
export function debianSourceDirectory(root: string, name: string): string {
  return join(root, ".cache", "debian-source", name);
}

/** Fetches and unpacks the upstream source of `name`, unless it is there. Answers with what to tell the reader, or undefined. */
export function fetchDebianSource(root: string, name: string): string | undefined {
  const target = debianSourceDirectory(root, name);
  if (existsSync(target)) return undefined;
  if (onPath("apt-get") === undefined) return `no apt-get here to get the source of ${name} with`;
  const apt = join(root, ".cache", "debian-source", "apt");
  for (const folder of ["sources", "lists/partial", "cache/archives/partial", "files"])
    mkdirSync(join(apt, folder), { recursive: true });
  writeFileSync(join(apt, "status"), "");
  writeFileSync(join(apt, "sources", "debian.list"), sourceLines("/etc/apt").join("\n"));
  const logFile = join(root, ".cache", "apt.log");
  const log = openSync(logFile, "a");
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const done =
        runApt(apt, ["update"], log) &&
        runApt(apt, ["source", "--download-only", name], log) &&
        unpack(apt, name, target, log);
      if (done) return `fetched the source of Debian's ${name}`;
    }
  } finally {
    closeSync(log);
  }
  return `apt-get could not get the source of ${name} (see ${logFile})`;
}

/** `deb-src` lines for the Debian archives that the lists in a folder like /etc/apt name. */
export function sourceLines(folder: string): string[] {
  const lines: string[] = [];
  for (const file of globSync(["sources.list", "sources.list.d/*.list"], { cwd: folder })) {
    for (const line of readFileSync(join(folder, file), "utf8").split("\n")) {
      const [, options = "", archive, rest] = /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S.*)$/.exec(line) ?? [];
      if (archive !== undefined && DEBIAN_ARCHIVE.test(archive)) lines.push(`deb-src ${options}${archive} ${rest}`);
    }
  }
  for (const file of globSync("sources.list.d/*.sources", { cwd: folder })) {
    for (const stanza of readFileSync(join(folder, file), "utf8").split(/\n\s*\n/))
      lines.push(...linesOfStanza(stanza));
  }
  return [...new Set(lines)];
}

/** A stanza of apt's other format, in which fields hold several values. */
function linesOfStanza(stanza: string): string[] {
  const words = (name: string): string[] => {
    const field = new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(stanza)?.[1] ?? "";
    return field.split(/\s+/).filter((word) => word !== "");
  };
  if (words("Enabled")[0] === "no") return [];
  const [key] = words("Signed-By");
  const options = key?.startsWith("/") ? `[signed-by=${key}] ` : "";
  return words("URIs")
    .filter((archive) => DEBIAN_ARCHIVE.test(archive))
    .flatMap((archive) =>
      words("Suites").map((suite) => `deb-src ${options}${archive} ${suite} ${words("Components").join(" ")}`),
    );
}

function runApt(apt: string, args: string[], log: number): boolean {
  const settings = [
    "Dir::Etc::SourceList=/dev/null",
    `Dir::Etc::SourceParts=${join(apt, "sources")}`,
    `Dir::State=${apt}`,
    `Dir::State::Lists=${join(apt, "lists")}`,
    `Dir::State::status=${join(apt, "status")}`,
    `Dir::Cache=${join(apt, "cache")}`,
    "APT::Sandbox::User=",
    "Debug::NoLocking=1",
    "Acquire::http::Timeout=20",
  ];
  const options = ["--quiet", ...settings.flatMap((setting) => ["-o", setting])];
  const stdio: ["ignore", number, number] = ["ignore", log, log];
  return (
    spawnSync("apt-get", [...options, ...args], { cwd: join(apt, "files"), stdio, timeout: TIMEOUT_MS }).status === 0
  );
}

/** apt has checked the files; a folder of the name is there whole or not at all. */
function unpack(apt: string, name: string, target: string, log: number): boolean {
  const files = join(apt, "files");
  const tarball = readdirSync(files).find((file) => file.startsWith(`${name}_`) && file.includes(".orig.tar."));
  if (tarball === undefined) return false;
  const part = `${target}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part);
  const args = ["-xf", join(files, tarball), "-C", part, "--strip-components=1", "--no-same-owner"];
  if (spawnSync("tar", args, { stdio: ["ignore", log, log] }).status !== 0) return false;
  renameSync(part, target);
  return true;
}
