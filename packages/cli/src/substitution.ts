/*
Binary caches as the settings name them, opened for one command, and what people see while paths come from them. Without `substituters` among the
settings none is asked. DEVIATION: C++ Nix asks cache.nixos.org unless it is told otherwise.
*/

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isNixCacheUrl, NarInfoMemory, Netrc, type OpenedNixCache, openNixCache } from "@firn/backend-http-cache";
import { FirnError, messageOf } from "@firn/base";
import type { CallOptions, Lease } from "@firn/castore";
import type { SubstituteOutputs, SubstituteRealised } from "@firn/glue";
import { parseAbsoluteStorePath, parsePublicKey, type StorePath } from "@firn/nix-compat";
import { type Offer, type StoreServices, Substitution, type SubstitutionEvent, TrustedKeys } from "@firn/store";
import type { NixSettings } from "./compat/nix-settings.ts";
import { CliError } from "./error.ts";
import { humanBytes, LiveLine } from "./live-line.ts";
import type { Output } from "./output.ts";
import type { Session } from "./session.ts";
import { printCount } from "./size.ts";

export type OpenedSubstitution = Disposable & {
  /** For `buildDerivations`. Throws when an offered path cannot be had, unless `fallback` is set. */
  readonly substitute: SubstituteOutputs;
  /** For `buildDerivations`; the realisation is kept in the local store. */
  readonly substituteRealised: SubstituteRealised;
  /** As Substitution's. */
  readonly bring: (paths: readonly StorePath[], options?: CallOptions) => Promise<boolean>;
  /** As Substitution's. */
  readonly offer: (path: StorePath, options?: CallOptions) => Promise<Offer | undefined>;
  /** What came and from where, for people; undefined when nothing did. */
  readonly summary: () => string | undefined;
  readonly totals: { readonly bytes: number };
  /** In the order in which they were done. */
  readonly brought: readonly StorePath[];
};

/** Where people see it: one line that changes (undefined takes it away), and lines that stay. Without one nothing is shown. */
export type SubstitutionDisplay = {
  readonly show: (text: (() => string) | undefined) => void;
  readonly tell: (text: string) => void;
  /** Whether each path is told of on a terminal, too. */
  readonly tellsAll?: boolean;
};

/** A line at the bottom of a terminal that has no other use. */
export function lineDisplay(output: Output): SubstitutionDisplay {
  const line = new LiveLine(output);
  return {
    show: (text) => (text === undefined ? line[Symbol.dispose]() : line.show(text)),
    tell: (text) => {
      line[Symbol.dispose]();
      void output.note(text);
    },
  };
}

/** Opens the caches the settings name; undefined when there are none, or when they are not to be asked. */
export function openSubstitution(
  settings: NixSettings,
  to: StoreServices,
  lease: Lease | undefined,
  session: Session,
  display?: SubstitutionDisplay,
): OpenedSubstitution | undefined {
  if (!settings.isOn("substitute")) return undefined;
  const urls = new Set(wordsOf(settings.get("substituters")));
  return urls.size === 0 ? undefined : openSources([...urls], settings, to, lease, session, display);
}

/** Brings those of the paths that are not in the local store and that caches have, each with all it refers to. */
export async function substituteMissing(
  paths: readonly StorePath[],
  settings: NixSettings,
  lease: Lease,
  session: Session,
): Promise<void> {
  const store = await session.openStore();
  const { signal } = session;
  const known = await Promise.all(paths.map((path) => store.pathInfos.get(path.hashPart, { lease, signal })));
  const missing = paths.filter((_, n) => known[n] === undefined);
  if (missing.length === 0) return;
  using opened = openSubstitution(settings, store, lease, session, lineDisplay(session.output));
  await Promise.all(missing.map((path) => opened?.bring([path], { signal })));
}

/** Opens these caches. */
export function openSources(
  urls: readonly string[],
  settings: NixSettings,
  to: StoreServices,
  lease: Lease | undefined,
  session: Session,
  display?: SubstitutionDisplay,
): OpenedSubstitution {
  const { config, output } = session;
  const memory = new NarInfoMemory(join(config.stateDir, "nar-infos.sqlite"), Date.now);
  const opened: OpenedNixCache[] = [];
  for (const url of urls) {
    if (isNixCacheUrl(url)) opened.push(openCache(url, settings, session, memory));
    else
      void output.noteOnce(
        `note: the substituter '${url}' is none that is known here: https://…, http://… or file:///…`,
      );
  }
  const progress = new SubstitutionProgress(session, display);
  const substitution = new Substitution({
    sources: opened.map(({ cache }) => cache),
    to,
    lease,
    trusted: trustedKeysOf(settings),
    storeDir: config.storeDir,
    jobsMax: Math.max(1, Number(settings.get("max-substitution-jobs") ?? 16)),
    now: Date.now,
    onEvent: progress.take,
  });
  const bring = async (paths: readonly StorePath[], options: CallOptions = {}) => {
    try {
      return await substitution.bring(paths, options);
    } finally {
      progress.clear();
    }
  };
  return {
    bring,
    offer: (path, options) => substitution.offer(path, options),
    substituteRealised: async (drvPath, name, { signal }) => {
      const found = await substitution.realisation(parseAbsoluteStorePath(drvPath, config.storeDir), name, { signal });
      progress.clear();
      if (found === undefined) return false;
      await (await session.openStore()).realisations.put([found], { signal, lease });
      return true;
    },
    summary: () => progress.summary(),
    totals: progress.totals,
    brought: progress.brought,
    substitute: async (paths, { signal }) => {
      try {
        return await bring(
          paths.map((path) => parseAbsoluteStorePath(path, config.storeDir)),
          { signal },
        );
      } catch (thrown) {
        if (!(thrown instanceof FirnError) || signal?.aborted) throw thrown;
        if (settings.isOn("fallback")) return false;
        throw new CliError("substitution", `${messageOf(thrown)}\nWith --fallback it is built instead.`, {
          cause: thrown,
        });
      }
    },
    [Symbol.dispose]: () => {
      for (const one of opened) one[Symbol.dispose]();
      memory[Symbol.dispose]();
    },
  };
}

/** Opens a cache to read from or write to. Throws backend-http-cache's `unsupported` for an address that is none. */
export function openCache(
  url: string,
  settings: NixSettings,
  { config }: Session,
  memory?: NarInfoMemory,
): OpenedNixCache {
  const netrcPath = settings.get("netrc-file") ?? join(config.environment.NIX_CONF_DIR || "/etc/nix", "netrc");
  const netrc = existsSync(netrcPath) ? new Netrc(readFileSync(netrcPath, "latin1")) : undefined;
  const seconds = settings.get("connect-timeout");
  const attempts = settings.get("download-attempts");
  return openNixCache(url, {
    storeDir: config.storeDir,
    proxyEnv: config.environment,
    ...(memory === undefined || /^(nix\+)?file:/.test(url) ? {} : { memory }), // a directory is asked as quickly as a memory
    ...(netrc === undefined ? {} : { credentials: (host) => netrc.for(host) }),
    ...(seconds === undefined || Number(seconds) === 0 ? {} : { connectMs: Number(seconds) * 1000 }),
    ...(attempts === undefined ? {} : { retry: { attemptsMax: Math.max(1, Number(attempts)) } }),
  });
}

/** Whose signatures are asked for; undefined when none are. Throws `configuration` for what is no key. */
export function trustedKeysOf(settings: NixSettings): TrustedKeys | undefined {
  if (!settings.isOn("require-sigs")) return undefined;
  try {
    return new TrustedKeys(wordsOf(settings.get("trusted-public-keys")).map(parsePublicKey));
  } catch (thrown) {
    throw new CliError("configuration", `trusted-public-keys: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** A line each path where no terminal is, one line for all on a terminal; a problem with a cache is told once. */
class SubstitutionProgress {
  readonly totals = { bytes: 0 };
  readonly brought: StorePath[] = [];
  readonly #session: Session;
  readonly #display: SubstitutionDisplay | undefined;
  readonly #told = new Set<string>();
  readonly #sources = new Set<string>();
  #running = 0;

  constructor(session: Session, display: SubstitutionDisplay | undefined) {
    this.#session = session;
    this.#display = display;
  }

  readonly take = (event: SubstitutionEvent): void => {
    const { output, config } = this.#session;
    const { totals } = this;
    if (event.type === "bytes") totals.bytes += event.count;
    if (event.type === "started") this.#running++;
    if (event.type === "finished") {
      this.brought.push(event.path);
      this.#sources.add(event.source);
    }
    if (event.type === "finished" || event.type === "failed") this.#running--;
    if (event.type === "problem" && !this.#told.has(event.message)) {
      this.#told.add(event.message);
      this.#display?.tell(`warning: ${event.message}`);
    }
    if (event.type === "started" && (!output.isLive || this.#display?.tellsAll)) {
      const size = event.downloadBytes === undefined ? "" : ` (${humanBytes(event.downloadBytes)})`;
      this.#display?.tell(`copying path '${event.path.absolute(config.storeDir)}' from '${event.source}'${size}`);
    }
    const source = "source" in event ? ` from ${event.source}` : "";
    const text = () =>
      `copying: ${this.brought.length} paths done, ${this.#running} on their way, ${humanBytes(totals.bytes)}${source}`;
    this.#display?.show(this.#running === 0 ? undefined : text);
  };

  summary(): string | undefined {
    if (this.brought.length === 0) return undefined;
    const paths = printCount(this.brought.length, "path");
    return `copied ${paths}, ${humanBytes(this.totals.bytes)}, from ${[...this.#sources].join(", ")}`;
  }

  clear(): void {
    if (this.#running === 0) this.#display?.show(undefined);
  }
}

function wordsOf(text: string | undefined): string[] {
  return (text ?? "").split(/[ \t\n]+/).filter((word) => word !== "");
}
