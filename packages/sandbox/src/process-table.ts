/* Asking the kernel about processes by way of /proc, and killing them. A process that is gone meanwhile is never an error. */

import { readdirSync, readFileSync } from "node:fs";

/** When a live process started, in ticks since boot, which together with its pid names it; undefined when it is gone or a zombie. */
export function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Sends SIGKILL. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone in between
  }
}

/** Among a process and its descendants the first of a pid namespace of its own, as this process counts; undefined when it is gone already. */
export function firstInside(pid: number): number | undefined {
  try {
    const inside = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    if (inside?.[1] === "1") return pid;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").match(/\d+/g) ?? []) {
        const found = firstInside(Number(child));
        if (found !== undefined) return found;
      }
    }
  } catch {
    // gone in between
  }
  return undefined;
}

/** Whether there is a process of this id, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Kills what is left of a process group. */
export function killGroup(pid: number): void {
  killProcess(-pid);
}
