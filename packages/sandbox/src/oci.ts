/*
The sandbox made by an OCI runtime, runc or crun: for hosts that have one for their containers and no bubblewrap. What is to be set up goes into a
config.json after the runtime specification (github.com/opencontainers/runtime-spec), in the terms of a rootless container whoever runs it: root
inside is the caller, and the start program becomes uid 1000 of an inner user namespace.

The runtime says nothing when the container is up and cannot be told to take it along when it dies; the start program does both.
*/

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { byteStringOfText, textOf } from "@firn/base";
import { hiddenProcFiles, readOnlyProcPaths } from "./hidden-proc.ts";
import { hostPathOf, type JobSpace } from "./job-space.ts";
import type { Launcher } from "./launched-sandbox.ts";
import { requireProgram } from "./programs.ts";
import { shellWords } from "./shell-quote.ts";
import { START_ARGV, START_FDS } from "./start-program.ts";

/** Throws `unsupported` where the runtime is not installed; whether it works shows when it is used. */
export async function oci(runtime: "runc" | "crun"): Promise<Launcher> {
  const program = requireProgram(runtime, runtime);
  const setpriv = requireProgram("setpriv", "util-linux");
  return {
    name: runtime,
    isolation: { files: true, network: true, processes: true },
    start: { announces: true, becomesBuilder: true },
    async launch(space) {
      const state = join(space.directory, "containers");
      await mkdir(state, { mode: 0o700 });
      await writeFile(join(space.directory, "config.json"), JSON.stringify(await configOf(space)));
      const run = ["run", "--preserve-fds", `${START_FDS}`, "--bundle", space.directory, space.name];
      const command = [setpriv, "--pdeathsig", "KILL", program, "--root", state, ...run];
      return `exec ${shellWords(command.map(byteStringOfText))}\n`;
    },
  };
}

async function configOf(space: JobSpace): Promise<unknown> {
  const bind = (destination: string, source: string, ...options: string[]) => {
    return { destination, source, type: "bind", options: ["rbind", ...options] };
  };
  const flags = ["nosuid", "nodev"];
  const mounts = [
    ...space.writable.map((path) => bind(`/${textOf(path)}`, hostPathOf(space, path), "rw", ...flags)),
    { destination: "/proc", source: "proc", type: "proc", options: [...flags, "noexec"] },
    { destination: "/dev", source: "tmpfs", type: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
    {
      destination: "/dev/pts",
      source: "devpts",
      type: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=620"],
    },
    { destination: "/dev/shm", source: "shm", type: "tmpfs", options: [...flags, "mode=1777"] },
    ...space.mounts.map(({ hostPath, path, kind }) => {
      const options = { "read-only": ["ro", ...flags], writable: ["rw", ...flags], device: ["rw", "nosuid"] }[kind];
      return bind(`/${textOf(path)}`, hostPath, ...options);
    }),
  ];
  const namespaces = ["pid", "ipc", "uts", "mount", "user", "cgroup", ...(space.network ? [] : ["network"])];
  const own = (id: number | undefined) => [{ containerID: 0, hostID: id, size: 1 }];
  // Without it, no namespace of one's own may map root (user_namespaces(7)). The builder has none.
  const needed = ["CAP_SETFCAP"];
  const capabilities = { bounding: needed, effective: needed, permitted: needed };
  return {
    ociVersion: "1.0.2",
    process: { user: { uid: 0, gid: 0 }, args: START_ARGV, env: [], cwd: "/", capabilities, noNewPrivileges: true },
    root: { path: space.root, readonly: true },
    hostname: "localhost",
    mounts,
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      uidMappings: own(process.getuid?.()),
      gidMappings: own(process.getgid?.()),
      // Below the job's own group, hence swept with it. Where groups cannot be made, only saying nothing makes runtimes do without.
      ...(process.getuid?.() === 0 ? { cgroupsPath: space.name } : {}),
      maskedPaths: await hiddenProcFiles(),
      readonlyPaths: await readOnlyProcPaths(),
    },
  };
}
