/*
Choosing a sandbox. "auto" takes bubblewrap when it really works here (a tiny job is run in it: installed is not enough where user namespaces are
restricted; seen-working.ts remembers) and unshare otherwise, with a note for people on how to get better.
*/

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "@firn/base";
import { BuildError, type Sandbox } from "@firn/build";
import { bubblewrap } from "./bubblewrap.ts";
import { openCgroups } from "./cgroups.ts";
import { type SandboxPath, sweepJobSpaces } from "./job-space.ts";
import { SharedRoots } from "./job-root.ts";
import { type Launcher, LaunchedSandbox, ROOTS, type SandboxHost } from "./launched-sandbox.ts";
import { nspawn } from "./nspawn.ts";
import { oci } from "./oci.ts";
import { SeenWorking } from "./seen-working.ts";
import { findShell, type Shell } from "./shell.ts";
import { unshare } from "./unshare.ts";

/** Best first. */
const LAUNCHERS = {
  bubblewrap,
  runc: () => oci("runc"),
  crun: () => oci("crun"),
  nspawn,
  unshare,
} as const satisfies Record<string, () => Promise<Launcher>>;

/** `none` shows every job the host's files and network, as `sandboxed: false` does; still they are read-only, and its processes end with it. */
export type SandboxKind = keyof typeof LAUNCHERS | "none";
const SANDBOX_KINDS = [...(Object.keys(LAUNCHERS) as (keyof typeof LAUNCHERS)[]), "none"] as const;

export type CreateSandboxOptions = {
  readonly kind: SandboxKind | "auto";
  /** Where jobs have their directories; made when missing, private, on a file system with room for builds. */
  readonly stateDir: string;
  /** Shown to every job. */
  readonly paths?: readonly SandboxPath[];
  /** Whether jobs that ask for it (`sandboxed: false`) get the host's files and network; else they are refused. */
  readonly relaxed?: boolean;
};

export type CreatedSandbox = {
  readonly sandbox: Sandbox;
  /** The shell jobs get that ask for one; undefined when the host has none. */
  readonly shell: Shell | undefined;
  /** For people: why it is not the better sandbox, and what to do about it. */
  readonly note?: string;
};

/** What "auto" tries, best first. nspawn comes last: it shares most with its host. */
const AUTOMATIC = ["bubblewrap", "unshare", "runc", "crun", "nspawn"] as const;

/** Opens a sandbox that was seen to work. Throws `sandbox` when there is none, with the reasons. */
export async function createSandbox(options: CreateSandboxOptions): Promise<CreatedSandbox> {
  const host = await openHost(options);
  const { shell } = host;
  const reasons: string[] = [];
  for (const wanted of options.kind === "auto" ? AUTOMATIC : [options.kind]) {
    try {
      const sandbox = await openSeen(wanted, host);
      if (reasons.length === 0) return { sandbox, shell };
      const note = `${reasons.join("; ")}; building with ${wanted} instead, which is slower. To get better: install bubblewrap (apt-get install bubblewrap)`;
      return { sandbox, shell, note };
    } catch (thrown) {
      reasons.push(`${wanted}: ${messageOf(thrown)}`);
    }
  }
  const message = `no sandbox works here (${reasons.join("; ")}). Install bubblewrap, and allow user namespaces (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)`;
  throw new BuildError("sandbox", message);
}

/** What this host can do for builders. */
export type SandboxCheck = {
  /** Every kind, best first; `problem` says why it does not work. */
  readonly kinds: readonly { readonly kind: SandboxKind; readonly problem?: string }[];
  /** The version that bounds memory and counts costs; undefined where there are no rights over either. */
  readonly cgroups: 1 | 2 | undefined;
  readonly shell: Shell["kind"] | undefined;
};

/** Tries every kind of sandbox. */
export async function checkSandboxes(options: Omit<CreateSandboxOptions, "kind">): Promise<SandboxCheck> {
  const host = await openHost(options);
  const kinds: { kind: SandboxKind; problem?: string }[] = [];
  for (const kind of SANDBOX_KINDS) {
    const problem = await openSandbox(kind, host).then(() => undefined, messageOf);
    kinds.push({ kind, ...(problem === undefined ? {} : { problem }) });
  }
  return { kinds, cgroups: host.cgroups?.version, shell: host.shell?.kind };
}

/** What all kinds share; removes what killed processes left. */
async function openHost(options: Omit<CreateSandboxOptions, "kind">): Promise<SandboxHost> {
  const { stateDir } = options;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await sweepJobSpaces(stateDir);
  await new SharedRoots(join(stateDir, ROOTS)).sweep();
  const cgroups = await openCgroups();
  await cgroups?.sweep();
  return { ...options, cgroups, shell: await findShell().catch(() => undefined) };
}

/** The file in the state directory that tells which kind ran a job lately. */
export const SEEN = "seen-working";

/** A sandbox that has run a job, now or lately. */
async function openSeen(kind: SandboxKind, host: SandboxHost): Promise<Sandbox> {
  if (kind !== "bubblewrap") return openSandbox(kind, host);
  const seen = new SeenWorking(join(host.stateDir, SEEN), JSON.stringify({ kind, paths: host.paths }), "bwrap");
  const isSeen = seen.isSeen();
  const sandbox = isSeen ? new LaunchedSandbox(await bubblewrap(), host) : await openSandbox(kind, host);
  if (!isSeen) seen.note();
  return forgettingFailures(sandbox, seen);
}

function forgettingFailures(sandbox: Sandbox, seen: SeenWorking): Sandbox {
  const { name, isolation } = sandbox;
  return {
    name,
    isolation,
    async run(...job) {
      try {
        return await sandbox.run(...job);
      } catch (thrown) {
        // The next command sees for itself; what no sandbox of this kind can do says nothing about it.
        if (!(thrown instanceof BuildError && thrown.code === "unsupported")) seen.forget();
        throw thrown;
      }
    },
  };
}

/** A sandbox that has run a job. */
async function openSandbox(kind: SandboxKind, host: SandboxHost): Promise<Sandbox> {
  const launcher = await LAUNCHERS[kind === "none" ? "bubblewrap" : kind]();
  const launched = new LaunchedSandbox(launcher, kind === "none" ? { ...host, relaxed: true } : host);
  const sandbox = kind === "none" ? withoutWalls(launched) : launched;
  await probe(sandbox, host.shell);
  return sandbox;
}

function withoutWalls(sandbox: Sandbox): Sandbox {
  return {
    name: "none",
    isolation: { files: false, network: false, processes: true },
    run: (job, ...rest) => sandbox.run({ ...job, sandboxed: false }, ...rest),
  };
}

/** Runs the smallest job there is. */
async function probe(sandbox: Sandbox, shell: Shell | undefined): Promise<void> {
  const argv = shell === undefined ? ["/none"] : ["/bin/sh", "-c", ":"]; // without a shell: got as far as not finding a program
  const job = {
    inputs: [],
    argv,
    env: [],
    files: [],
    workingDirectory: "build",
    outputs: [],
    network: false,
    shell: shell !== undefined,
  };
  const log: Uint8Array[] = [];
  await using run = await sandbox.run(job, (bytes) => log.push(bytes.slice()), new AbortController().signal);
  const { end } = run.result;
  if (end.reason === "succeeded" || (shell === undefined && end.reason === "exit-code" && end.code === 127)) return;
  throw new BuildError(
    "sandbox",
    `a trial job did not succeed (${end.reason}): ${Buffer.concat(log).toString("utf8").trim()}`,
  );
}
