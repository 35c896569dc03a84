/*
The processes of a job that runs: the launcher, and the first process inside. The status pipe tells of both (run-job.ts); whether the launcher
is gone, its parent tells where that is us.
*/

import { setTimeout as sleep } from "node:timers/promises";
import { byteStringOf } from "@firn/base";
import type { Cgroup } from "./cgroups.ts";
import type { LogPipe } from "./log-pipe.ts";
import { firstInside, killGroup, killProcess, startedAt } from "./process-table.ts";

/** How long a sandbox that is to be killed may take to say which process is its first. */
const SETUP_MS_MAX = 5000;
/** How often a launcher that is no child of ours is looked after, and how long it may take to say that it is there. */
const LOOK_MS = 500;
const LAUNCH_MS_MAX = 60_000;

/** A launcher that was started. */
export type Launch = {
  /** Resolves when it is gone, `how` being for messages; rejects with `sandbox` when it could not be started. */
  readonly exited: Promise<{ readonly code?: number; readonly how: string }>;
  /** Where it is our child; otherwise `exited` resolves only when it is lost. */
  readonly childPid?: number;
};

/** How the launcher ended; `code` is that of the builder as far as the launcher knows it. */
export type Exit = { readonly code: number | undefined; readonly launcher: string };

/** A process as it was seen; without a time it was gone by then. */
type SeenProcess = { readonly pid: number; readonly startedAt: string | undefined };

export class JobProcesses {
  readonly #launch: Launch;
  readonly #status: LogPipe;
  readonly #cgroup: Cgroup | undefined;
  readonly #statusEnded: Promise<void>;
  readonly #launchMsMax: number;
  #launcher: SeenProcess | undefined;
  #first: SeenProcess | undefined;
  #code: number | undefined;
  #hasStarted = false;
  #killed = false;
  #ended = false;

  /** Reads `status` from here on, and closes it in the end. */
  constructor(launch: Launch, status: LogPipe, cgroup: Cgroup | undefined, launchMsMax = LAUNCH_MS_MAX) {
    this.#launchMsMax = launchMsMax;
    this.#launch = launch;
    this.#status = status;
    this.#cgroup = cgroup;
    launch.exited.catch(() => {}); // asked for in `ended`
    if (launch.childPid !== undefined) this.#launcher = seen(launch.childPid);
    let text = "";
    status.hurry();
    this.#statusEnded = status.read((bytes) => {
      text += byteStringOf(bytes);
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        this.#take(text.slice(0, end));
        text = text.slice(end + 1);
      }
    });
  }

  /** Kills everything inside, now or as soon as it is known what that is. */
  kill(): void {
    this.#killed = true;
    if (this.#first !== undefined) {
      if (isLive(this.#first)) killProcess(this.#first.pid);
      return;
    }
    // The launcher takes its child along, but it may not have said so to the kernel yet; hence only when it hangs.
    const launcher = this.#launcher;
    if (launcher === undefined) return;
    setTimeout(() => this.#first === undefined && isLive(launcher) && killProcess(launcher.pid), SETUP_MS_MAX).unref();
  }

  /** Resolves when none is left. */
  async ended(): Promise<Exit> {
    try {
      const { code, how } = await this.#launcherEnded();
      this.#status.opened();
      // One that died while it set things up leaves a child that waits for it for ever, in the group that is theirs alone.
      if (this.#first === undefined && this.#launcher !== undefined) killGroup(this.#launcher.pid);
      await this.#statusEnded;
      for (let waitMs = 1; this.#first !== undefined; waitMs = Math.min(waitMs * 2, 50)) {
        if (!isLive(this.#first)) break;
        killProcess(this.#first.pid); // the builder is done, what it left running is not waited for
        await sleep(waitMs);
      }
      await this.#cgroup?.kill(); // for the rest, if a launcher left any
      return { code: this.#code ?? (this.#hasStarted ? code : undefined), launcher: how };
    } finally {
      this.#ended = true;
      this.#status.close();
    }
  }

  #launcherEnded(): Launch["exited"] {
    const { exited, childPid } = this.#launch;
    if (childPid !== undefined) return exited;
    return Promise.race([exited, this.#statusEnded.then(() => ({ how: "ended" })), this.#launcherGone()]);
  }

  /** Of one that left others who keep the status pipe open. */
  async #launcherGone(): Promise<{ readonly how: string }> {
    const lostAt = performance.now() + this.#launchMsMax;
    for (;;) {
      await sleep(Math.min(LOOK_MS, this.#launchMsMax), undefined, { ref: false });
      if (this.#launcher === undefined ? performance.now() > lostAt : !isLive(this.#launcher)) break;
      if (this.#ended) break;
    }
    return { how: this.#launcher === undefined ? "was never started" : "was killed" };
  }

  #take(line: string): void {
    const status = JSON.parse(line) as {
      "launcher-pid"?: number;
      "child-pid"?: number;
      "exit-code"?: number;
      started?: boolean;
    };
    if (status["launcher-pid"] !== undefined) {
      this.#status.opened();
      this.#launcher ??= seen(status["launcher-pid"]);
      if (this.#killed) this.kill();
    }
    if (status.started) this.#hasStarted = true;
    const pid = status.started ? this.#launcher && firstInside(this.#launcher.pid) : status["child-pid"];
    if (pid !== undefined) {
      const first = seen(pid);
      if (first.startedAt !== undefined) this.#first = first;
      if (this.#killed) this.kill();
    }
    this.#code = status["exit-code"] ?? this.#code;
  }
}

function seen(pid: number): SeenProcess {
  return { pid, startedAt: startedAt(pid) };
}

function isLive({ pid, startedAt: at }: SeenProcess): boolean {
  return at !== undefined && startedAt(pid) === at;
}
