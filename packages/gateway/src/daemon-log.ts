/*
What a client hears while it waits: messages up to the level it asked for, builds as activities with their log lines. A client that does not listen does not
make the daemon grow: beyond a limit lines are left out, which is said when it listens again.
*/

import type { ByteString } from "@firn/base";
import {
  knowsActivities,
  WireWriter,
  WORKER_ACTIVITY,
  WORKER_LEVEL,
  WORKER_RESULT,
  type WorkerLogFrame,
  type WorkerSession,
  writeWorkerLogFrame,
} from "@firn/nix-compat";
import type { DaemonChannel } from "./daemon-channel.ts";
import type { DaemonBuildCounts, DaemonBuildEvent } from "./daemon-host.ts";

/** Unsent bytes beyond which log lines are left out. */
const UNSENT_BYTES_MAX = 8 * 1024 * 1024;
const NO_PARENT = 0n;

export class DaemonLog {
  readonly #channel: Pick<DaemonChannel, "push" | "unsentBytes">;
  readonly #session: WorkerSession;
  readonly #builds = new Map<ByteString, bigint>();
  #all: bigint | undefined;
  #nextId = 1n;
  #leftOut = 0;
  /** What the client wants to hear. */
  level: number = WORKER_LEVEL.info;

  constructor(channel: Pick<DaemonChannel, "push" | "unsentBytes">, session: WorkerSession) {
    this.#channel = channel;
    this.#session = session;
  }

  /** A line, without its end. */
  say(level: number, text: ByteString): void {
    if (level <= this.level) this.#push({ type: "message", text: `${text}\n` });
  }

  warn(text: ByteString): void {
    this.say(WORKER_LEVEL.warn, `warning: ${text}`);
  }

  /** Shows a build's events. Follows what DerivationGoal and Worker say. */
  build(event: DaemonBuildEvent): void {
    if (event.type === "log") return this.#line(event.drvPath, event.line);
    if (event.type === "planned") {
      this.#all = this.#start(WORKER_LEVEL.debug, WORKER_ACTIVITY.builds, "", []);
    } else if (event.type === "started") {
      const text = `building '${event.drvPath}'`;
      const fields = [event.drvPath, "", 1n, 1n];
      this.#builds.set(event.drvPath, this.#start(WORKER_LEVEL.info, WORKER_ACTIVITY.build, text, fields));
    } else this.#stop(event.drvPath);
    this.#progress(event.counts);
  }

  /** Ends what a client still sees as going on. */
  endBuilds(): void {
    for (const drvPath of [...this.#builds.keys()]) this.#stop(drvPath);
    if (this.#all !== undefined) this.#push({ type: "stop", id: this.#all }, { activity: true });
    this.#all = undefined;
  }

  #line(drvPath: ByteString, line: ByteString): void {
    if (this.#channel.unsentBytes > UNSENT_BYTES_MAX) {
      this.#leftOut++;
      return;
    }
    if (this.#leftOut > 0)
      this.warn(`${this.#leftOut} lines of output were left out, they came faster than they were read`);
    this.#leftOut = 0;
    const id = this.#builds.get(drvPath);
    if (!knowsActivities(this.#session)) this.say(WORKER_LEVEL.error, line);
    else if (id !== undefined) this.#push({ type: "result", id, result: WORKER_RESULT.buildLogLine, fields: [line] });
  }

  #start(level: number, activity: number, text: ByteString, fields: readonly (ByteString | bigint)[]): bigint {
    const id = this.#nextId++;
    if (!knowsActivities(this.#session)) {
      if (text !== "") this.say(level, `${text}...`);
    } else this.#push({ type: "start", id, level, activity, text, fields, parent: NO_PARENT });
    return id;
  }

  #stop(drvPath: ByteString): void {
    const id = this.#builds.get(drvPath);
    this.#builds.delete(drvPath);
    if (id !== undefined) this.#push({ type: "stop", id }, { activity: true });
  }

  #progress({ done, planned, running, failed }: DaemonBuildCounts): void {
    if (this.#all === undefined) return;
    const fields = [done, planned, running, failed].map(BigInt);
    this.#push({ type: "result", id: this.#all, result: WORKER_RESULT.progress, fields }, { activity: true });
  }

  #push(frame: WorkerLogFrame, { activity = false } = {}): void {
    if (activity && !knowsActivities(this.#session)) return;
    const to = new WireWriter();
    writeWorkerLogFrame(to, frame, this.#session);
    this.#channel.push(to.take());
  }
}
