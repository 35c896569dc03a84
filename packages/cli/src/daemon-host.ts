/*
What `firn daemon` offers its clients: the local store, builds by this machine's service, roots that are links on the host, collection and verification.
*/

import { readlinkSync } from "node:fs";
import { type ByteString, byteStringOfText, textOf } from "@firn/base";
import { NIX_VERSION } from "@firn/eval";
import { type DaemonBuild, type DaemonHost, type DaemonRoots, GatewayError, type StoreDirectory } from "@firn/gateway";
import {
  buildDerivations,
  checkedDerivationReader,
  DerivationAttributes,
  derivationReader,
  type ReadDerivation,
} from "@firn/glue";
import { isBelowStoreDir, parseStorePathPrefix, type StorePath } from "@firn/nix-compat";
import { TrustedKeys } from "@firn/store";
import { buildPartsOf, jobsOf, openBuilder } from "./builder.ts";
import { type NixSettings, readNixSettings } from "./compat/nix-settings.ts";
import { collectQuietly } from "./garbage.ts";
import { NodeFetcher } from "./node-fetcher.ts";
import type { RealiseOptions } from "./realise.ts";
import { replaceLink } from "./result-link.ts";
import { ServedLogs } from "./server/served-logs.ts";
import type { Session } from "./session.ts";
import { openSubstitution, type SubstitutionDisplay, trustedKeysOf } from "./substitution.ts";

export type DaemonHostOptions = RealiseOptions & {
  /** Where paths are kept as real files. */
  readonly directory: StoreDirectory | undefined;
};

export async function openDaemonHost(options: DaemonHostOptions, session: Session): Promise<DaemonHost> {
  const { config } = session;
  const store = await session.openStore();
  const { directory } = options;
  const settings = (options.substitution ?? readNixSettings)(config.environment);
  return {
    storeDir: config.storeDir,
    services: store,
    leases: store.leases,
    realisations: store.realisations,
    trustedKeys: trustedKeysOf(settings) ?? new TrustedKeys([]),
    programVersion: NIX_VERSION,
    now: Date.now,
    logs: new ServedLogs(session),
    build: buildOf(options, settings, session),
    openSources: ({ lease, say }) => {
      const opened = openSubstitution(settings, store, lease, session, toldTo(say));
      return (
        opened && { ...opened, mayReplace: (derivation) => new DerivationAttributes(derivation).allowsSubstitutes }
      );
    },
    roots: await rootsOf(session),
    collectGarbage: async (wanted) => {
      const { deadPaths, freedBytes } = await collectQuietly(wanted, session);
      if (!wanted.dryRun) await directory?.clean();
      return { deadPaths, freedBytes };
    },
    verify: async ({ contents, repair, signal, onFinding }) => {
      const { findings } = await store.verify({ nar: contents, repair, signal });
      for (const { kind, what, problem, isRepaired } of findings)
        onFinding(`${isRepaired ? "repaired" : "error"}: ${kind} ${what}: ${problem}`);
      return findings.some(({ isRepaired }) => !isRepaired);
    },
    ...(directory === undefined ? {} : { show: (paths, signal) => directory.show(paths, signal) }),
  };
}

/** One service for all clients, made at the first build: so they share attempts and its limits. */
function buildOf(options: DaemonHostOptions, settings: NixSettings, session: Session): DaemonBuild {
  let opening: ReturnType<typeof openBuilder> | undefined;
  const jobs = jobsOf(options, session);
  // Built-in builders run in this process, not in a sandbox, and as whom it runs.
  const fetcher = new NodeFetcher({ hostFiles: false });
  let stored: ReadDerivation | undefined;
  return async (targets, { given, say, substitute: mayComeFromElsewhere, ...wanted }) => {
    opening ??= openBuilder(options, session);
    using substitution = mayComeFromElsewhere
      ? openSubstitution(settings, await session.openStore(), wanted.lease, session, toldTo(say))
      : undefined;
    const { substitute, substituteRealised } = substitution ?? {};
    const parts = { ...(await buildPartsOf(await opening, session)), fetcher, substitute, substituteRealised };
    const { storeDir } = session.config;
    const read = (stored ??= checkedDerivationReader(
      derivationReader(parts.blobs, parts.pathInfos, storeDir),
      storeDir,
    ));
    const readDerivation: ReadDerivation = async (drvPath, call) =>
      drvPath === given?.drvPath ? given.derivation : read(drvPath, call);
    return await buildDerivations(
      targets,
      { ...parts, readDerivation },
      {
        ...options,
        ...wanted,
        jobsMax: Math.min(wanted.jobsMax ?? jobs, jobs),
        impureEnv: new Map(Object.entries(session.config.environment)),
      },
    );
  };
}

/** What comes from where, as lines for a client. */
function toldTo(say: (text: ByteString) => void): SubstitutionDisplay {
  return { show: () => {}, tell: (text) => say(byteStringOfText(text)), tellsAll: true };
}

async function rootsOf(session: Session): Promise<DaemonRoots> {
  const { roots } = await session.openStore();
  const { storeDir } = session.config;
  const addIndirect = async (link: string, path?: StorePath) => {
    await roots.addIndirectRoot(textOf(link), path ?? pathOfLink(link, storeDir));
  };
  return {
    addIndirect,
    addPermanent: async (root, path) => {
      await replaceLink(textOf(root), path.absolute(storeDir));
      await addIndirect(root, path);
    },
    list: async () =>
      roots.listRoots().map(({ name, link, path }) => ({ link: byteStringOfText(link ?? name ?? ""), path })),
  };
}

/** The store path that a client's link leads to. Throws when it leads to none. */
function pathOfLink(link: string, storeDir: string): StorePath {
  let target: string;
  try {
    target = readlinkSync(Buffer.from(link, "latin1"), "latin1");
  } catch (cause) {
    throw new GatewayError(
      "bad-request",
      `'${textOf(link)}' is to be a root, but is no link: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  if (isBelowStoreDir(target, storeDir)) return parseStorePathPrefix(target, storeDir).path;
  // Where to is not said: it may be what the client could not read.
  throw new GatewayError("bad-request", `'${textOf(link)}' is to be a root, but does not lead into '${storeDir}'`);
}
