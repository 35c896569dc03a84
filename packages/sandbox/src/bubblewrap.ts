/*
The default sandbox: bubblewrap (bwrap), which sets up namespaces and mounts without any right of ours. Options come in a file by `--args`, so that
their number does not meet the limits of a command line.

The builder sees root/ read-only with its writable parts and the inputs mounted in, a /dev of six devices, its own /proc, no network but a loopback
of its own unless asked, and is uid 1000 of a user namespace without capabilities.
*/

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesOf, type ByteString, byteStringOfText } from "@firn/base";
import { BuildError, type SandboxJob } from "@firn/build";
import { hostPathOf, type JobSpace } from "./job-space.ts";
import type { Launcher } from "./launched-sandbox.ts";
import { hiddenProcFiles } from "./hidden-proc.ts";
import { requireProgram } from "./programs.ts";
import { shellQuote, shellWords } from "./shell-quote.ts";
import { BUILDER_GID, BUILDER_UID, START_ARGV } from "./start-program.ts";

/** Most words in `--args`; bwrap refuses more than 9000, the few on its command line included. */
const ARGS_MAX = 8990;

/** Throws `unsupported` where bwrap is not installed; whether it works shows when it is used. */
export async function bubblewrap(): Promise<Launcher> {
  const bwrap = requireProgram("bwrap", "bubblewrap");
  const hidden = await hiddenProcFiles();
  const proc = [
    ...hidden.flatMap((file) => ["--dev-bind", "/dev/null", file]),
    // The other paths that are writable for root (hidden-proc.ts) bwrap covers itself; these two it takes for harmless, for their directories are.
    ...["/proc/fs", "/proc/sys"].flatMap((path) => ["--ro-bind", path, path]),
  ];
  return {
    name: "bubblewrap",
    isolation: { files: true, network: true, processes: true },
    sharesRoot: true,
    start: {},
    async launch(space, job) {
      const args = argumentsOf(space, job, proc);
      if (args.length > ARGS_MAX) {
        const message = `bubblewrap takes at most ${ARGS_MAX} words of options, this job needs ${args.length} (3 for each input); other sandboxes have no such limit`;
        throw new BuildError("unsupported", message);
      }
      const file = join(space.directory, "bwrap-args");
      writeFileSync(file, bytesOf(args.map((word) => `${word}\0`).join("")));
      const command = shellWords([bwrap, "--json-status-fd", "3", "--args", "8", "--"].map(byteStringOfText));
      return `exec 8< ${shellQuote(byteStringOfText(file))}\nexec ${command} ${shellWords(START_ARGV)}\n`;
    },
  };
}

function argumentsOf(space: JobSpace, job: SandboxJob, proc: readonly string[]): ByteString[] {
  const host = byteStringOfText;
  const args = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"];
  if (space.network) args.push("--share-net");
  args.push("--uid", `${BUILDER_UID}`, "--gid", `${BUILDER_GID}`, "--hostname", "localhost");
  args.push("--ro-bind", host(space.root), "/");
  for (const path of space.writable) args.push("--bind", host(hostPathOf(space, path)), `/${path}`);
  args.push("--dev", "/dev", "--proc", "/proc");
  args.push(...proc);
  for (const { hostPath, path, kind } of space.mounts) {
    const bind = { "read-only": "--ro-bind", writable: "--bind", device: "--dev-bind" }[kind];
    args.push(bind, host(hostPath), `/${path}`);
  }
  args.push("--chdir", `/${job.workingDirectory}`);
  return args;
}
