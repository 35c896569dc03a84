/*
Choosing a sandbox. "auto" takes bubblewrap when it really works here (a tiny job is run in it: installed is not enough where user namespaces are
restricted) and unshare otherwise, with a note for people on how to get better.
*/

import { mkdir } from "node:fs/promises";
import { messageOf } from "@firn/base";
import { BuildError, type Sandbox } from "@firn/build";
import { bubblewrap } from "./bubblewrap.ts";
import { openCgroups } from "./cgroups.ts";
import { type SandboxPath, sweepJobSpaces } from "./job-space.ts";
import { type Launcher, LaunchedSandbox } from "./launched-sandbox.ts";
import { nspawn } from "./nspawn.ts";
import { oci } from "./oci.ts";
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
export const SANDBOX_KINDS = [...(Object.keys(LAUNCHERS) as (keyof typeof LAUNCHERS)[]), "none"] as const;

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
  const { kind, stateDir } = options;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await sweepJobSpaces(stateDir);
  const cgroups = await openCgroups();
  await cgroups?.sweep();
  const shell = await findShell().catch(() => undefined);
  const open = async (wanted: SandboxKind) => {
    const launcher = await LAUNCHERS[wanted === "none" ? "bubblewrap" : wanted]();
    const host = { ...options, shell, cgroups, relaxed: options.relaxed || wanted === "none" };
    const launched = new LaunchedSandbox(launcher, host);
    const sandbox = wanted === "none" ? withoutWalls(launched) : launched;
    await probe(sandbox, shell);
    return sandbox;
  };
  const reasons: string[] = [];
  for (const wanted of kind === "auto" ? AUTOMATIC : [kind]) {
    try {
      const sandbox = await open(wanted);
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

function withoutWalls(sandbox: Sandbox): Sandbox {
  return {
    name: "none",
    isolation: { files: false, network: false, processes: true },
    run: (job, onLog, signal) => sandbox.run({ ...job, sandboxed: false }, onLog, signal),
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
  await using run = await sandbox.run(job, (bytes) => log.push(bytes), new AbortController().signal);
  const { end } = run.result;
  if (end.reason === "succeeded" || (shell === undefined && end.reason === "exit-code" && end.code === 127)) return;
  throw new BuildError(
    "sandbox",
    `a trial job did not succeed (${end.reason}): ${Buffer.concat(log).toString("utf8").trim()}`,
  );
}
