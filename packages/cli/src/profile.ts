/*
Profiles: a link that leads to one of several generations, each a link to a result and a root of garbage collection, as Nix has them:

    tools -> tools-2-link      tools-1-link -> …/outputs/<store path>      tools-2-link -> …

There is no table of profiles. What is one is told by the names of links: those below the state directory's `profiles`, and those of roots.
*/

import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "@firn/base";
import type { StorePath } from "@firn/nix-compat";
import type { Command } from "commander";
import { CliError } from "./error.ts";
import { isErrno } from "./report.ts";
import { checkWritable, replaceLink, showOutput, storePathOfLink } from "./result-link.ts";
import type { Session } from "./session.ts";

const GENERATION = /^(.+)-(\d{1,9})-link$/s;

export type Generation = {
  readonly number: number;
  /** Absolute host path of the profile's link. */
  readonly profile: string;
  /** Absolute host path of its link. */
  readonly link: string;
  readonly path: StorePath;
  /** When its link was made, in milliseconds since 1970. */
  readonly madeAtMs: number;
};

export type Profile = {
  /** Absolute host path of the link that changes. */
  readonly link: string;
  /** Oldest first. */
  readonly generations: readonly Generation[];
  /** The one the link leads to. */
  readonly current: Generation | undefined;
};

/** Adds the flag that says which profile a command works on. */
export function declareProfile(command: Command): Command {
  return command.option("--profile <profile>", "a name below $FIRN_HOME/profiles, or a link's path (default: default)");
}

/** Where a profile is: a name alone is one below the state directory, anything with a slash a path; `default` when nothing is said. */
export function profileLink(text: string | undefined, { config, profilesHostDir }: Session): string {
  const named = text ?? "default";
  if (named === "" || named.endsWith("/") || GENERATION.test(named))
    throw new CliError("usage", `'${named}' cannot be a profile: expected a name, or the path of a link`);
  return named.includes("/") ? resolve(config.workingDirectory, named) : join(profilesHostDir, named);
}

/** Reads a profile; one that is not there has no generations. Throws `profile` when something else is in its place. */
export function readProfile(link: string): Profile {
  const directory = dirname(link);
  const generations: Generation[] = [];
  for (const name of namesIn(directory)) {
    const [, profile, number] = GENERATION.exec(name) ?? [];
    if (profile !== basename(link)) continue;
    const generation = join(directory, name);
    const path = storePathOfLink(generation);
    const stats = lstatSync(generation, { throwIfNoEntry: false });
    if (path !== undefined && stats !== undefined)
      generations.push({ number: Number(number), profile: link, link: generation, path, madeAtMs: stats.mtimeMs });
  }
  generations.sort((left, right) => left.number - right.number);
  const target = targetOf(link);
  const current = generations.find(
    (generation) => target !== undefined && generation.link === resolve(directory, target),
  );
  return { link, generations, current };
}

/** The profile, which has to have generations. Throws `not-found`. */
export function needProfile(link: string): Profile {
  const profile = readProfile(link);
  if (profile.generations.length > 0) return profile;
  throw new CliError("not-found", `there is no profile at '${link}': \`firn build --profile NAME\` makes one`);
}

/** Throws `profile` unless a profile is at `link`, or can be made there. */
export async function checkProfile(link: string): Promise<void> {
  const target = targetOf(link);
  if (target !== undefined && !GENERATION.test(basename(target)))
    throw new CliError(
      "profile",
      `'${link}' is a link to ${target}, which is no generation of a profile: name another`,
    );
  await checkWritable(link);
}

/**
 * Makes a registered path the profile's newest generation and its current one; when it is the newest already, no new one. Follows
 * createGeneration of C++ Nix. The caller's lease holds the path.
 */
export async function addGeneration(link: string, path: StorePath, session: Session): Promise<Generation> {
  await checkProfile(link);
  const { roots } = await session.openStore();
  try {
    return await showOutput(path, session, async (output) => {
      for (;;) {
        const newest = readProfile(link).generations.at(-1);
        const isSame = newest?.path.equals(path) === true;
        const number = isSame ? newest.number : highestNumber(link) + 1;
        const generation = `${link}-${number}-link`;
        if (!isSame && !makeLink(output, generation)) continue; // another process took the number
        await roots.addIndirectRoot(generation, path);
        await replaceLink(link, basename(generation));
        // Old generations may have been removed by another process before this one was current.
        const stats = lstatSync(generation, { throwIfNoEntry: false });
        if (stats !== undefined) return { number, profile: link, link: generation, path, madeAtMs: stats.mtimeMs };
      }
    });
  } catch (thrown) {
    throw new CliError("profile", `the profile '${link}' cannot be changed: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** Makes a generation the current one. */
export async function switchTo(profile: Profile, { link }: Generation): Promise<void> {
  await replaceLink(profile.link, basename(link));
}

/**
 * Generations that are not needed: all but the current one, or, with an age, those that were current at no time since then. Follows
 * deleteOldGenerations and deleteGenerationsOlderThan of C++ Nix.
 */
export function oldGenerations({ generations, current }: Profile, olderThanMs?: number): Generation[] {
  const notCurrent = generations.filter((generation) => generation !== current);
  if (olderThanMs === undefined) return notCurrent;
  const since = Date.now() - olderThanMs;
  // The newest of the older ones was current at that time.
  const firstKept = generations.findLastIndex(({ madeAtMs }) => madeAtMs < since);
  return notCurrent.filter((generation) => generations.indexOf(generation) < firstKept);
}

/** Removes generations; what they held is garbage unless something else holds it. */
export async function removeGenerations(generations: readonly Generation[], session: Session): Promise<void> {
  const { roots } = await session.openStore();
  for (const { link } of generations) {
    rmSync(link, { force: true });
    await roots.removeIndirectRoot(link);
  }
}

/** All profiles that are known, by their links. */
export async function knownProfiles(session: Session): Promise<Profile[]> {
  await adoptProfiles(session);
  const { roots } = await session.openStore();
  const links = new Set<string>();
  for (const { link = "" } of roots.listRoots()) {
    const [, profile] = GENERATION.exec(link) ?? [];
    if (profile !== undefined && isLink(profile)) links.add(profile);
  }
  return [...links].sort().map((link) => readProfile(link));
}

/** Whether a link is there: what only looks like a generation has something else there, or nothing. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

/** Makes roots of the links below the state directory's `profiles`, whoever made them: being there is enough. */
export async function adoptProfiles(session: Session): Promise<void> {
  const directory = session.profilesHostDir;
  const names = namesIn(directory);
  if (names.length === 0) return;
  const store = await session.openStore();
  const known = new Set(store.roots.listRoots().map(({ link }) => link));
  for (const name of names) {
    const link = join(directory, name);
    const path = known.has(link) ? undefined : storePathOfLink(link);
    if (path !== undefined && (await store.pathInfos.get(path.hashPart))?.path.equals(path))
      await store.roots.addIndirectRoot(link, path);
  }
}

function highestNumber(link: string): number {
  const numbers = namesIn(dirname(link)).map((name) => {
    const [, profile, number] = GENERATION.exec(name) ?? [];
    return profile === basename(link) ? Number(number) : 0;
  });
  return Math.max(0, ...numbers);
}

/** False when something is there. */
function makeLink(target: string, link: string): boolean {
  try {
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "EEXIST")) return false;
    throw thrown;
  }
}

/** Where a link leads; undefined when nothing is there. Throws `profile` when something else is. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT") || isErrno(thrown, "ENOTDIR")) return undefined;
    const problem = isErrno(thrown, "EINVAL") ? "it is no link" : messageOf(thrown);
    throw new CliError("profile", `'${link}' is in the way of a profile: ${problem}`, { cause: thrown });
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // no profile was made there yet
  }
}
