/*
The processes of a job that runs: the launcher, which is our child, and the first process inside, which the status pipe tells of (run-job.ts).
*/

import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "@firn/build";
import type { Cgroup } from "./cgroups.ts";
import { firstInside, killGroup, killProcess, startedAt } from "./process-table.ts";

/** How long a sandbox that is to be killed may take to say which process is its first. */
const SETUP_MS_MAX = 5000;

/** How the launcher ended; `code` is that of the builder as far as the launcher knows it. */
export type Exit = { readonly code: number | undefined; readonly launcher: string };

/** The processes of a job: the launcher, which is our child, and the first process inside. */
export class JobProcesses {
  readonly #child: ChildProcess;
  readonly #cgroup: Cgroup | undefined;
  readonly #exited: Promise<string>;
  readonly #statusEnded: Promise<void>;
  #first: { readonly pid: number; readonly startedAt: string } | undefined;
  #code: number | undefined;
  #launcherCode: number | undefined;
  #hasStarted = false;
  #killed = false;

  constructor(child: ChildProcess, cgroup: Cgroup | undefined) {
    this.#child = child;
    this.#cgroup = cgroup;
    this.#exited = new Promise((resolve, reject) => {
      child.once("error", (cause) =>
        reject(new BuildError("sandbox", `starting the shell failed: ${cause.message}`, { cause })),
      );
      child.once("exit", (code, name) => {
        this.#launcherCode = code ?? undefined;
        resolve(name === null ? `ended with exit code ${code}` : `was killed by ${name}`);
      });
    });
    this.#exited.catch(() => {}); // asked for in `ended`
    const status = child.stdio[3] as Readable;
    let text = "";
    status.setEncoding("latin1");
    status.on("data", (more: string) => {
      text += more;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        this.#take(text.slice(0, end));
        text = text.slice(end + 1);
      }
    });
    status.on("error", () => {});
    this.#statusEnded = new Promise((resolve) => status.once("close", () => resolve()));
  }

  /** Kills everything inside, now or as soon as it is known what that is. */
  kill(): void {
    this.#killed = true;
    if (this.#first !== undefined) {
      if (startedAt(this.#first.pid) === this.#first.startedAt) killProcess(this.#first.pid);
      return;
    }
    // The launcher takes its child along, but it may not have said so to the kernel yet; hence only when it hangs.
    setTimeout(
      () => this.#first === undefined && this.#child.exitCode === null && this.#child.kill("SIGKILL"),
      SETUP_MS_MAX,
    ).unref();
  }

  /** Resolves when none is left. */
  async ended(): Promise<Exit> {
    const launcher = await this.#exited;
    // One that died while it set things up leaves a child that waits for it for ever, in the group that is theirs alone.
    if (this.#first === undefined) killGroup(this.#child.pid as number);
    await this.#statusEnded;
    for (let waitMs = 1; this.#first !== undefined; waitMs = Math.min(waitMs * 2, 50)) {
      if (startedAt(this.#first.pid) !== this.#first.startedAt) break;
      killProcess(this.#first.pid); // the builder is done, what it left running is not waited for
      await sleep(waitMs);
    }
    await this.#cgroup?.kill(); // for the rest, if a launcher left any
    return { code: this.#code ?? (this.#hasStarted ? this.#launcherCode : undefined), launcher };
  }

  #take(line: string): void {
    const status = JSON.parse(line) as { "child-pid"?: number; "exit-code"?: number; started?: boolean };
    if (status.started) this.#hasStarted = true;
    const pid = status.started ? firstInside(this.#child.pid as number) : status["child-pid"];
    if (pid !== undefined) {
      const at = startedAt(pid);
      if (at !== undefined) this.#first = { pid, startedAt: at };
      if (this.#killed) this.kill();
    }
    this.#code = status["exit-code"] ?? this.#code;
  }
}
