/*
The sandbox made by systemd-nspawn, for hosts of systemd that have nothing else. It works for root only, and takes a fifth of a second to start.

nspawn puts a lot of its own into a container: variables, a /run, a /sys, files below /etc. The variables end at the start program, the
directories are covered or told not to be. Descriptors it passes on only as systemd's socket activation does, hence LISTEN_FDS.
*/

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { byteStringOfText } from "@firn/base";
import { BuildError } from "@firn/build";
import { hiddenProcFiles } from "./hidden-proc.ts";
import { hostPathOf, type JobSpace } from "./job-space.ts";
import type { Launcher } from "./launched-sandbox.ts";
import { requireProgram } from "./programs.ts";
import { shellWords } from "./shell-quote.ts";
import { START_ARGV, START_FDS } from "./start-program.ts";

/** Throws `unsupported` where it is not installed or this is not root; whether it works shows when it is used. */
export async function nspawn(): Promise<Launcher> {
  const program = requireProgram("systemd-nspawn", "systemd-container");
  const setpriv = requireProgram("setpriv", "util-linux");
  if (process.getuid?.() !== 0) throw new BuildError("unsupported", "systemd-nspawn works for root only");
  const covered = { directories: ["/run", "/sys"], files: await hiddenProcFiles() };
  return {
    name: "nspawn",
    isolation: { files: true, network: true, processes: true },
    start: { announces: true, becomesBuilder: true, covers: covered, sealsRoot: true },
    async launch(space) {
      // What it mounts over in any case; and without a /usr it takes the root for a mistake.
      for (const path of ["run", "sys", "usr"]) await mkdir(join(space.root, path), { recursive: true });
      const command = [setpriv, "--pdeathsig", "KILL", program, ...optionsOf(space), "--"];
      const words = [...shellWords(command.map(byteStringOfText)), " ", shellWords(START_ARGV)].join("");
      return `SYSTEMD_NSPAWN_TMPFS_TMP=0 LISTEN_FDS=${START_FDS} LISTEN_PID=$pid exec ${words}\n`;
    },
  };
}

function optionsOf(space: JobSpace): string[] {
  const quoted = (path: string) => path.replaceAll(/[\\:]/g, "\\$&");
  const bind = (option: string, from: string, to: string) => `--${option}=${quoted(from)}:${quoted(to)}`;
  const mounts = space.mounts.filter(({ path }) => path !== "run"); // which it needs itself
  return [
    ...["--quiet", "--register=no", "--keep-unit", "--settings=no", "--console=pipe"],
    `--directory=${space.root}`,
    `--machine=${space.name}`,
    "--hostname=localhost",
    ...["--resolv-conf=off", "--timezone=off", "--link-journal=no"],
    "--no-new-privileges=yes",
    ...(space.network ? [] : ["--private-network"]),
    ...space.writable.map((path) => bind("bind", hostPathOf(space, path), `/${path}`)),
    ...mounts.map(({ hostPath, path, kind }) => bind(kind === "read-only" ? "bind-ro" : "bind", hostPath, `/${path}`)),
  ];
}
