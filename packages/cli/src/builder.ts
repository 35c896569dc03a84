/*
What builds: this machine's sandbox, for which systems, how many at once, and builders elsewhere beside it. The one place where that is chosen.
*/

import { randomUUID } from "node:crypto";
import { access, constants } from "node:fs/promises";
import { balancedBuildService, type BuildService, createBuildService } from "@firn/build";
import type { BuildParts } from "@firn/glue";
import { createSandbox, type SandboxKind, type SandboxPath } from "@firn/sandbox";
import { CliError } from "./error.ts";
import { NodeFetcher } from "./node-fetcher.ts";
import { openRemoteBuilder, type RemoteBuildersChoice } from "./remote-builders.ts";
import type { Session } from "./session.ts";

/** Features builders here have when nothing else is said, by Nix's names; kvm too where its device can be used. */
const FEATURES = ["benchmark", "big-parallel", "nixos-test"];
const KVM = "/dev/kvm";

export type BuilderOptions = {
  readonly sandbox: SandboxKind | "auto";
  /** On this machine, and 0 for none. */
  readonly jobsMax: number;
  /** Builders elsewhere; those of nix.conf when not said. */
  readonly builders?: RemoteBuildersChoice | undefined;
  /** What of the host every builder sees. */
  readonly sandboxPaths?: readonly SandboxPath[];
  /** Whether builds that ask for it may see the host. */
  readonly relaxed?: boolean;
  readonly features?: readonly string[];
};

/** How many builds go on at once, here and elsewhere. Throws `usage` when that is none. */
export function jobsOf({ jobsMax, builders }: BuilderOptions, session: Session): number {
  const elsewhere = builders?.(session.config.environment) ?? [];
  const jobs = elsewhere.reduce((sum, builder) => sum + builder.jobsMax, jobsMax);
  if (jobs > 0) return jobs;
  throw new CliError("usage", "nothing may be built here (-j 0), and no builder elsewhere is named: say --builders");
}

/** Opens the service. What could be better about its sandbox, and who cannot be reached, is said once on stderr. */
export async function openBuilder(options: BuilderOptions, session: Session): Promise<BuildService> {
  const elsewhere = options.builders?.(session.config.environment) ?? [];
  jobsOf(options, session);
  if (elsewhere.length === 0) return openLocalBuilder(options, session);
  const { blobs, directories, leases } = await session.openStore();
  const { attempts, logs } = await session.openBuilds();
  const parts = { blobs, directories, leases, attempts, logs, now: Date.now, newId };
  const local = options.jobsMax === 0 ? undefined : await openLocalBuilder(options, session);
  const opened = await Promise.all(elsewhere.map((builder) => openRemoteBuilder(builder, parts, session)));
  const members = opened.filter((member) => member !== undefined);
  if (local !== undefined) members.unshift({ service: local, jobsMax: options.jobsMax, isLocal: true });
  if (members.length === 0)
    throw new CliError("unsupported", "no builder can be reached, and nothing may be built here (-j 0)");
  return balancedBuildService({ ...parts, members });
}

async function openLocalBuilder(options: BuilderOptions, session: Session): Promise<BuildService> {
  const { sandbox: kind, jobsMax, relaxed } = options;
  const { system } = session.config;
  const store = await session.openStore();
  const features = options.features ?? [...FEATURES, ...((await hasKvm()) ? ["kvm"] : [])];
  const kvm = features.includes("kvm") ? [{ path: KVM.slice(1), hostPath: KVM, writable: true, optional: true }] : [];
  const paths = [...(options.sandboxPaths ?? []), ...kvm];
  const { sandbox, note } = await createSandbox({ kind, stateDir: session.buildsHostDir, paths, relaxed });
  if (note !== undefined) await session.output.noteOnce(`note: ${note}`);
  const { attempts, logs } = await session.openBuilds();
  return createBuildService({
    sandbox,
    blobs: store.blobs,
    directories: store.directories,
    exposer: store.exposer,
    importer: store.importer,
    leases: store.leases,
    // Such machines run both.
    systems: system === "x86_64-linux" ? [system, "i686-linux"] : [system],
    features,
    jobsMax,
    attempts,
    logs,
    now: Date.now,
    newId,
  });
}

function newId(): string {
  return randomUUID().replaceAll("-", "").slice(0, 12);
}

/** What derivations are built with: the session's store and this service. */
export async function buildPartsOf(buildService: BuildService, session: Session): Promise<BuildParts> {
  const { blobs, directories, pathInfos, realisations, leases } = await session.openStore();
  const { storeDir } = session.config;
  const fetcher = new NodeFetcher();
  return { blobs, directories, pathInfos, realisations, leases, buildService, fetcher, now: Date.now, storeDir };
}

function hasKvm(): Promise<boolean> {
  return access(KVM, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}
