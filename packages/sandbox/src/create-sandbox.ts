/*
Choosing a sandbox. "auto" takes bubblewrap when it really works here (a tiny job is run in it: installed is not enough where user namespaces are
restricted) and unshare otherwise, with a note for people on how to get better.
*/

import { mkdir } from "node:fs/promises";
import { messageOf } from "@firn/base";
import { BuildError, type Sandbox } from "@firn/build";
import { Bubblewrap } from "./bubblewrap.ts";
import { sweepJobSpaces } from "./job-space.ts";
import { findShell, type Shell } from "./shell.ts";
import { Unshare } from "./unshare.ts";

export type SandboxKind = "bubblewrap" | "unshare";

export type CreateSandboxOptions = {
  readonly kind: SandboxKind | "auto";
  /** Where jobs have their directories; made when missing, private, on a file system with room for builds. */
  readonly stateDir: string;
};

export type CreatedSandbox = {
  readonly sandbox: Sandbox;
  /** The shell jobs get that ask for one; undefined when the host has none. */
  readonly shell: Shell | undefined;
  /** For people: why it is not the better sandbox, and what to do about it. */
  readonly note?: string;
};

/** Opens a sandbox that was seen to work. Throws `sandbox` when there is none, with the reasons. */
export async function createSandbox({ kind, stateDir }: CreateSandboxOptions): Promise<CreatedSandbox> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await sweepJobSpaces(stateDir);
  const shell = await findShell().catch(() => undefined);
  const open = async (wanted: SandboxKind) => {
    const sandbox =
      wanted === "bubblewrap" ? await Bubblewrap.open(stateDir, shell) : await Unshare.open(stateDir, shell);
    await probe(sandbox, shell);
    return sandbox;
  };
  const reasons: string[] = [];
  for (const wanted of kind === "auto" ? (["bubblewrap", "unshare"] as const) : [kind]) {
    try {
      const sandbox = await open(wanted);
      if (reasons.length === 0) return { sandbox, shell };
      const note = `${reasons[0]}; building with unshare(1) instead, which is slower. To get better: install bubblewrap (apt-get install bubblewrap)`;
      return { sandbox, shell, note };
    } catch (thrown) {
      reasons.push(`${wanted}: ${messageOf(thrown)}`);
    }
  }
  const message = `no sandbox works here (${reasons.join("; ")}). Install bubblewrap, and allow user namespaces (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)`;
  throw new BuildError("sandbox", message);
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
