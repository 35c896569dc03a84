/*
Who starts the launchers. To fork this process means to copy the tables of all its memory, which takes longer than everything else a small build
needs; so one shell is forked, which stays, is small, and forks the rest. It reads names of jobs and runs their scripts, each in a process group of
its own; it is gone when we are, and what it started goes with it. It tells nothing: the scripts do that.

Only bash has job control without a terminal. Without it, and for launchers whose exit code is needed, each script is started by us.
*/

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Socket } from "node:net";
import { BuildError } from "@firn/build";
import type { Launch } from "./job-processes.ts";
import { findProgram } from "./programs.ts";

/** The name of a job's script, in its directory. */
export const SCRIPT = "launch";

/**
 * Closes what descriptors we were started with and never knew of, lest a builder gets them. Only bash has numbers above 9; where it is
 * missing, those stay open.
 */
const PREPARE = `for fd in /proc/self/fd/*; do
fd=\${fd##*/}
if [ "$fd" -gt 2 ] && { [ -n "$BASH_VERSION" ] || [ "$fd" -le 9 ]; }; then eval "exec $fd>&-"; fi
done
umask 022
`;
const LOOP = `${PREPARE}set -m
while IFS= read -r job; do ( set +m; . "$0/$job/${SCRIPT}" ) & done
`;

/** In a session of its own: Ctrl-C at the terminal is for us, who then cancel. */
const APART = { env: {}, cwd: "/", detached: true } as const;

/** Starts the script at `path` as our own child. */
export function launchChild(path: string): Launch {
  // In braces, since PREPARE closes the descriptor by which a script is read.
  const script = `{\n${PREPARE}. "$0"\nexit\n}`;
  const child = spawn(findProgram("bash") ?? "/bin/sh", ["-c", script, path], { ...APART, stdio: "ignore" });
  const exited = new Promise<Awaited<Launch["exited"]>>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(new BuildError("sandbox", `starting the shell failed: ${cause.message}`, { cause })),
    );
    child.once("exit", (code, signal) =>
      resolve(
        signal === null
          ? { code: code ?? undefined, how: `ended with exit code ${code}` }
          : { how: `was killed by ${signal}` },
      ),
    );
  });
  return { exited, childPid: child.pid };
}

/** The shell for the jobs of one state directory. */
export class LaunchShell {
  readonly #stateDir: string;
  readonly #bash: string;
  #running: { readonly child: ChildProcess; readonly lost: Launch["exited"] } | undefined;

  private constructor(stateDir: string, bash: string) {
    this.#stateDir = stateDir;
    this.#bash = bash;
  }

  /** Undefined where there is no bash. */
  static find(stateDir: string): LaunchShell | undefined {
    const bash = findProgram("bash");
    return bash === undefined ? undefined : new LaunchShell(stateDir, bash);
  }

  /** Starts the script of the job of that name. */
  launch(name: string): Launch {
    this.#running ??= this.#start();
    const { child, lost } = this.#running;
    child.stdin?.write(`${name}\n`);
    return { exited: lost };
  }

  #start(): { readonly child: ChildProcess; readonly lost: Launch["exited"] } {
    const child = spawn(this.#bash, ["-c", LOOP, this.#stateDir], { ...APART, stdio: ["pipe", "ignore", "ignore"] });
    const stdin = child.stdin as Socket;
    stdin.on("error", () => {}); // it is gone, which its end tells
    child.unref();
    stdin.unref();
    const lost = new Promise<Awaited<Launch["exited"]>>((resolve) => {
      const end = () => {
        this.#running = undefined;
        resolve({ how: "was lost with the shell that started it" });
      };
      child.once("error", end);
      child.once("exit", end);
    });
    return { child, lost };
  }
}

/** Where a job's script is. */
export function scriptPath(directory: string): string {
  return join(directory, SCRIPT);
}
