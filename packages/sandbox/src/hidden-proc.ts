/*
What a fresh /proc would still tell of the machine, and is hidden by every sandbox: the kernel's memory and keys, its timers, its buses. Which of
these there are depends on the kernel. Changing anything below /proc/sys and its like is another matter, and refused by read-only mounts.
*/

import { access } from "node:fs/promises";

/** As in runc's default configuration, files only: the directories (acpi, scsi) are empty or harmless where they exist. */
const FILES = ["kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug"];
/** Shown read-only, lest a builder that is the machine's root by another name turns its knobs. */
const READ_ONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/** Absolute paths of files to cover with /dev/null. */
export function hiddenProcFiles(): Promise<string[]> {
  return present(FILES);
}

/** Absolute paths of files and directories to show read-only, for sandboxes that do not do so themselves. */
export function readOnlyProcPaths(): Promise<string[]> {
  return present(READ_ONLY);
}

async function present(names: readonly string[]): Promise<string[]> {
  const paths = names.map((name) => `/proc/${name}`);
  const found = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_, index) => found[index]);
}
