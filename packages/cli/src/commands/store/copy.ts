/*
`firn store copy`: paths with all they refer to from one store to another. Only what the target lacks travels; what was stopped goes on when it is run
again. Binary caches of Nix are a case of their own on either side: they have NARs, and whether they are believed is a matter of signatures.
*/

import { tmpdir } from "node:os";
import { FirnError } from "@firn/base";
import type { StorePath } from "@firn/nix-compat";
import {
  bringPaths,
  type CopyOptions as CopyPathsOptions,
  copyPaths,
  copyRealisations,
  type CopyResult,
} from "@firn/store";
import { defineCommand, examples } from "../../command.ts";
import { CliError } from "../../error.ts";
import { humanBytes, LiveLine } from "../../live-line.ts";
import type { OpenedStore } from "../../opened-store.ts";
import type { Session } from "../../session.ts";
import { printCount } from "../../size.ts";
import { nixCacheUrl, STORE_FORMS } from "../../store-choice.ts";
import { findPlace } from "../../store-target.ts";
import { declareSubstitutionFlags, type SubstitutionChoice, substitutionFlags } from "../../substitution-flags.ts";

export type CopyOptions = {
  readonly paths: readonly string[];
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly all: boolean;
  readonly json: boolean;
  /** Whose signatures a cache's paths need. */
  readonly substitution: SubstitutionChoice;
};

export const command = defineCommand<CopyOptions>({
  declare: (command) =>
    declareSubstitutionFlags(command)
      .argument("[path...]", "store paths, or links to results")
      .option("--from <store>", `the store that has them (default: Firn's own): ${STORE_FORMS}`)
      .option("--to <store>", "the store that gets them (default: Firn's own)")
      .option("--all", "all paths of the source")
      .option("--json", "print {copied, realisations, bytes, bytesSpared}")
      .addHelpText(
        "after",
        examples(
          ["firn store copy --to objects:/mnt/cache ./result", "into a directory that Snix reads as well"],
          ["firn store copy --from sqlite:old.sqlite --all", "all of another store into Firn's own"],
          ["firn store copy --from nix+https://cache.nixos.org /nix/store/…", "from a binary cache"],
          ["firn store copy --to nix+file:///mnt/cache ./result", "into one, for nix copy --from file:///mnt/cache"],
        ),
      ),
  optionsOf: (operands, flags) => {
    const { from, to } = flags as { from?: string; to?: string };
    const all = flags.all === true;
    if (from === undefined && to === undefined) throw new CliError("usage", "say --from STORE, --to STORE, or both");
    if (all === operands.length > 0) throw new CliError("usage", "name paths, or say --all");
    const isCache = (text: string | undefined) => text !== undefined && nixCacheUrl(text) !== undefined;
    if (isCache(from) && (all || isCache(to)))
      throw new CliError("usage", "a binary cache cannot be listed, nor copied to another: name paths, and a store");
    return { paths: operands, from, to, all, json: flags.json === true, substitution: substitutionFlags(flags) };
  },
  run: copy,
});

async function copy(options: CopyOptions, session: Session): Promise<undefined> {
  const { paths, from, to, all, json } = options;
  const { output, signal } = session;
  const places = paths.map((text) => findPlace(text, session).path);
  await using others = new AsyncDisposableStack();
  const open = async (text: string | undefined): Promise<OpenedStore> =>
    text === undefined ? session.openServices() : others.use(await session.openOther(text));
  const caches = { from: from && nixCacheUrl(from), to: to && nixCacheUrl(to) };
  if (caches.from !== undefined)
    return await report(await bringFrom(caches.from, places, await open(to), options, session), session, json);
  const source = await open(from);
  const { daemonPaths } = source;
  if (all && daemonPaths !== undefined) places.push(...(await daemonPaths.list({ signal })));
  else if (all) for await (const { path } of source.pathInfos.list({ signal })) places.push(path);
  if (caches.to !== undefined)
    return await report(await publishTo(caches.to, places, source, options, session), session, json);
  const target = await open(to);
  await using _lease = await target.openLease(`copy from ${source.label}`);
  using line = new LiveLine(output);
  const show = progressOn(line);
  let came = 0;
  const result = await copyBetween(places, source, target, {
    signal,
    lease: _lease,
    registeredAt: Math.floor(Date.now() / 1000),
    onProgress: (progress) => {
      came = progress.bytes;
      show(progress);
    },
  }).catch(async (thrown: unknown) => {
    line[Symbol.dispose]();
    const isBroken = thrown instanceof FirnError && thrown.retryable;
    if (isBroken && came > 0) await output.note("what came so far is kept: the same command goes on from there");
    throw named(thrown, source, target);
  });
  line[Symbol.dispose]();
  const realisations = await copyRealisations(places, source, target, { signal, lease: _lease });
  const { bytes, bytesSpared, copied } = result;
  return await report({ copied, realisations, bytes, bytesSpared, label: target.label }, session, json);
}

/** What is not there is said with the stores that were meant. */
function named(thrown: unknown, source: OpenedStore, target: OpenedStore): unknown {
  if (!(thrown instanceof FirnError) || (thrown.code !== "missing" && thrown.code !== "not-found")) return thrown;
  const message = `cannot copy from ${source.label} to ${target.label}: ${thrown.message}`;
  return new CliError("not-found", message, { cause: thrown, context: thrown.context });
}

/** By the way that takes the fewest round trips. */
async function copyBetween(
  paths: readonly StorePath[],
  source: OpenedStore,
  target: OpenedStore,
  options: CopyPathsOptions,
): Promise<CopyResult> {
  if (source.peer !== undefined) {
    const { pullPaths } = await import("@firn/protocol");
    return pullPaths(paths, source.peer, target, options);
  }
  if (target.peer !== undefined) {
    const { pushPaths } = await import("@firn/protocol");
    return pushPaths(paths, source, target.peer, options);
  }
  if (source.daemonPaths !== undefined) return bringPaths(paths, source.daemonPaths, target, options);
  return copyPaths(paths, source, target, options);
}

type Progress = { readonly paths: number; readonly pathsTotal: number; readonly bytes: number };

function progressOn(line: LiveLine): (progress: Progress) => void {
  const fromMs = Date.now();
  return ({ paths, pathsTotal, bytes }) =>
    line.show(() => {
      const perSecond = (bytes * 1000) / Math.max(1, Date.now() - fromMs);
      return `copying: ${paths} of ${pathsTotal} paths, ${humanBytes(bytes)}, ${humanBytes(Math.round(perSecond))}/s`;
    });
}

type Copied = {
  readonly copied: readonly StorePath[];
  /** Of what was named and all it refers to. */
  readonly realisations: number;
  readonly bytes: number;
  readonly bytesSpared: number;
  readonly label: string;
};

async function report(
  { copied, realisations, bytes, bytesSpared, label }: Copied,
  session: Session,
  json: boolean,
): Promise<undefined> {
  const { output, config } = session;
  const paths = copied.map((path) => path.absolute(config.storeDir));
  if (json) await output.json({ copied: paths, realisations, bytes, bytesSpared });
  else if (paths.length === 0 && realisations === 0) await output.note(`${label} has all of that already`);
  else {
    for (const path of paths) await output.line(path);
    const spared = bytesSpared === 0 ? "" : `, ${humanBytes(bytesSpared)} were there`;
    const realised = realisations === 0 ? "" : ` and ${printCount(realisations, "realisation")}`;
    await output.note(
      `copied ${printCount(copied.length, "path")}${realised} to ${label}: ${humanBytes(bytes)} came${spared}`,
    );
  }
  return undefined;
}

async function bringFrom(
  url: string,
  places: readonly StorePath[],
  target: OpenedStore,
  { substitution }: CopyOptions,
  session: Session,
): Promise<Copied> {
  const { lineDisplay, openSources } = await import("../../substitution.ts");
  const { output, signal, config } = session;
  await using lease = await target.openLease(`copy from ${url}`);
  using sources = openSources([url], substitution(config.environment), target, lease, session, lineDisplay(output));
  if (!(await sources.bring(places, { signal }))) {
    const wanted = places.map((path) => path.absolute(config.storeDir)).join(", ");
    throw new CliError("not-found", `${url} does not offer all of ${wanted} and what they refer to`);
  }
  return { copied: sources.brought, realisations: 0, bytes: sources.totals.bytes, bytesSpared: 0, label: target.label };
}

async function publishTo(
  url: string,
  places: readonly StorePath[],
  source: OpenedStore,
  { substitution }: CopyOptions,
  session: Session,
): Promise<Copied> {
  const { publish } = await import("@firn/backend-http-cache");
  const { openCache } = await import("../../substitution.ts");
  const { output, signal, config } = session;
  using cache = openCache(url, substitution(config.environment), session);
  using line = new LiveLine(output);
  const { published, realisations, bytes } = await publish(places, source, cache, {
    signal,
    storeDir: config.storeDir,
    tempDir: tmpdir(),
    onProgress: progressOn(line),
  });
  return { copied: published, realisations, bytes, bytesSpared: 0, label: cache.cache.label };
}
