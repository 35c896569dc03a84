/*
What the environment says, read in one place and once. Everything else gets values, so that a test can say what they are, and so that
no other room depends on how a process was started.
*/

import { isAbsolute, join, resolve } from "node:path";
import { byteStringOfText } from "@firn/base";
import type { SearchPathEntry } from "@firn/eval";
import { CliError } from "./error.ts";
import { bytesOfSize } from "./size.ts";

export type Config = {
  /** Host directory of all of Firn's state: $FIRN_HOME, else $XDG_STATE_HOME/firn, else ~/.local/state/firn. */
  readonly stateDir: string;
  /** The store directory that paths are computed for; not a place on this host. */
  readonly storeDir: string;
  /** How much space materialised files may take: $FIRN_FILES_MAX; undefined leaves it to the store. */
  readonly filesBytesMax: number | undefined;
  /** From NIX_PATH; what -I adds comes before it. */
  readonly searchPath: readonly SearchPathEntry[];
  /** For `~/…` in expressions. */
  readonly homeDirectory: string | undefined;
  readonly workingDirectory: string;
  /** All variables, for builtins.getEnv; byte strings. */
  readonly environment: Readonly<Record<string, string>>;
  /** The Nix name of this machine, such as x86_64-linux. */
  readonly system: string;
  /** How many ended builds are remembered, and for how many days. */
  readonly buildsKept: number;
  readonly buildsKeptDays: number;
  /** Whether each call of a service of a composition is told. */
  readonly traceStore: boolean;
  /** Whether stacks are shown. */
  readonly debug: boolean;
  /** Whether colours are forbidden. */
  readonly noColor: boolean;
};

export type Machine = {
  readonly workingDirectory: string;
  /** As Node's process.platform and process.arch. */
  readonly platform: string;
  readonly arch: string;
};

const BUILDS_KEPT = 10_000;
const BUILDS_KEPT_DAYS = 90;
const DEFAULT_STORE_DIR = "/nix/store";
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "x86_64",
  arm64: "aarch64",
  ia32: "i686",
  arm: "armv7l",
};

/** Reads the environment. Throws `configuration` for a value that cannot be meant. */
export function readConfig(env: Readonly<Record<string, string | undefined>>, machine: Machine): Config {
  const value = (name: string) => (env[name] === "" ? undefined : env[name]);
  const { workingDirectory, platform, arch } = machine;
  return {
    stateDir: resolve(workingDirectory, stateDirOf(value)),
    storeDir: storeDirOf(value("NIX_STORE_DIR")),
    filesBytesMax: filesBytesMaxOf(value("FIRN_FILES_MAX")),
    searchPath: parseSearchPath(value("NIX_PATH") ?? ""),
    homeDirectory: value("HOME"),
    workingDirectory,
    environment: environmentOf(env),
    system: `${ARCHITECTURES[arch] ?? arch}-${platform}`,
    buildsKept: countOf("FIRN_KEEP_BUILDS", value) ?? BUILDS_KEPT,
    buildsKeptDays: countOf("FIRN_KEEP_BUILDS_DAYS", value) ?? BUILDS_KEPT_DAYS,
    debug: value("FIRN_DEBUG") === "1",
    traceStore: value("FIRN_TRACE_STORE") === "1",
    noColor: isColourless(env),
  };
}

function countOf(name: string, value: (name: string) => string | undefined): number | undefined {
  const text = value(name);
  if (text === undefined) return undefined;
  if (/^\d{1,7}$/.test(text) && Number(text) >= 1) return Number(text);
  throw new CliError("configuration", `${name} is a whole number from 1 to 9999999, got '${text}'`);
}

/** Whether the environment forbids colours, whatever else is wrong with it. */
export function isColourless(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env.NO_COLOR ?? "") !== "" || env.TERM === "dumb";
}

function stateDirOf(value: (name: string) => string | undefined): string {
  const own = value("FIRN_HOME");
  if (own !== undefined) return own;
  const xdg = value("XDG_STATE_HOME");
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, "firn"); // the XDG rules ignore relative ones
  const home = value("HOME");
  if (home !== undefined) return join(home, ".local", "state", "firn");
  throw new CliError(
    "configuration",
    "neither FIRN_HOME nor HOME is set, so there is no place for Firn's store: set FIRN_HOME to a directory",
  );
}

function storeDirOf(text: string | undefined): string {
  if (text === undefined) return DEFAULT_STORE_DIR;
  const storeDir = text.length > 1 ? text.replace(/\/+$/, "") : text;
  if (/^(\/[^/\0]+)+$/.test(storeDir) && !/\/\.\.?(\/|$)/.test(storeDir)) return storeDir;
  throw new CliError(
    "configuration",
    `NIX_STORE_DIR is '${text}', but a store directory is an absolute path without '.' and '..'`,
  );
}

function filesBytesMaxOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = bytesOfSize(text);
  if (bytes !== undefined) return bytes;
  throw new CliError("configuration", `FIRN_FILES_MAX is '${text}', but it is a size such as 500M or 20G`);
}

function environmentOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const environment: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) environment[byteStringOfText(name)] = byteStringOfText(value);
  }
  return environment;
}

/** Entries of NIX_PATH. A colon that begins `://` belongs to a URL. Follows EvalSettings::parseNixPath. */
export function parseSearchPath(text: string): SearchPathEntry[] {
  const entries: string[] = [];
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && (text[at] !== ":" || text.startsWith("://", at))) continue;
    if (at > from) entries.push(text.slice(from, at));
    from = at + 1;
  }
  return entries.map(parseSearchPathEntry);
}

/** `prefix=path` or a path, as in NIX_PATH and -I. */
export function parseSearchPathEntry(text: string): SearchPathEntry {
  const equals = text.indexOf("=");
  const [prefix, path] = equals < 0 ? ["", text] : [text.slice(0, equals), text.slice(equals + 1)];
  return { prefix: byteStringOfText(prefix), path: byteStringOfText(path) };
}
