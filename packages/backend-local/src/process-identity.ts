/*
Which process something on disk belongs to, so that what a killed one left can be told from what a living one is using. A process id alone
is reused; with the boot, the pid namespace and the start time it is not. Who cannot be judged counts as alive.
*/

import { readFileSync, readlinkSync } from "node:fs";
import process from "node:process";

let self: string | undefined;

/** `<boot>-<pid namespace>-<pid>-<start time>`, only letters, digits and dashes. */
export function identityOfSelf(): string {
  self ??= `${bootOf()}-${namespaceOf()}-${process.pid}-${startTimeOf(process.pid) ?? 0}`;
  return self;
}

/** Whether the process with this identity may still be running. */
export function mayBeAlive(identity: string): boolean {
  return isAlive(identity) !== false;
}

/** Whether the process with this identity is running; undefined where that cannot be told, as of another pid namespace. */
export function isAlive(identity: string): boolean | undefined {
  const [boot, namespace, pid, startTime] = identity.split("-");
  if (startTime === undefined) return undefined;
  if (boot !== bootOf()) return false;
  if (namespace !== namespaceOf()) return undefined;
  const now = startTimeOf(Number(pid));
  if (startTime !== "0") return String(now) === startTime;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (thrown) {
    return (thrown as { code?: string }).code !== "ESRCH";
  }
}

let boot: string | undefined;

/** The first 12 hex digits of the kernel's boot id; `0` where there is none. */
export function bootOf(): string {
  boot ??= readOr("/proc/sys/kernel/random/boot_id", "0").replaceAll("-", "").slice(0, 12);
  return boot;
}

function namespaceOf(): string {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    return "0";
  }
}

function startTimeOf(pid: number): number | undefined {
  const stat = readOr(`/proc/${pid}/stat`, "");
  // The command's name stands in parentheses and may hold anything, so fields are counted from the last one; the start time is field 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.length > 19 ? Number(fields[19]) : undefined;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return otherwise;
  }
}
