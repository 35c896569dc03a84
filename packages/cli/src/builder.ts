/*
The build service of this machine: which sandbox runs attempts, for which systems, how many at once. The one place where that is chosen.
*/

import { randomUUID } from "node:crypto";
import { access, constants } from "node:fs/promises";
import { type BuildService, createBuildService } from "@firn/build";
import type { BuildParts } from "@firn/glue";
import { createSandbox, type SandboxKind, type SandboxPath } from "@firn/sandbox";
import { NodeFetcher } from "./node-fetcher.ts";
import type { Session } from "./session.ts";

/** Features builders here have when nothing else is said, by Nix's names; kvm too where its device can be used. */
const FEATURES = ["benchmark", "big-parallel", "nixos-test"];
const KVM = "/dev/kvm";

export type BuilderOptions = {
  readonly sandbox: SandboxKind | "auto";
  readonly jobsMax: number;
  /** What of the host every builder sees. */
  readonly sandboxPaths?: readonly SandboxPath[];
  /** Whether builds that ask for it may see the host. */
  readonly relaxed?: boolean;
  readonly features?: readonly string[];
};

/** Opens the service. What could be better about its sandbox is said once on stderr. */
export async function openBuilder(options: BuilderOptions, session: Session): Promise<BuildService> {
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
    newId: () => randomUUID().replaceAll("-", "").slice(0, 12),
  });
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
