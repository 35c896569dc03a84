/*
Which kinds of sandbox ran a job here lately, so that not every command has to try that first. What was seen counts as long as what it depends on
is the same (this boot, this user, the launcher's program, what it shows, the kernel's switches for user namespaces), for a day, and until a sandbox fails.
*/

import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { findProgram } from "./programs.ts";

const DAY_MS = 24 * 3600 * 1000;
const SWITCHES = [
  "/proc/sys/kernel/random/boot_id",
  "/proc/sys/kernel/unprivileged_userns_clone",
  "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
  "/proc/sys/user/max_user_namespaces",
];

export class SeenWorking {
  readonly #file: string;
  readonly #about: string;
  readonly #program: string;

  /** `file` remembers; `about` says which kind in which configuration, `program` is what starts it. */
  constructor(file: string, about: string, program: string) {
    this.#file = file;
    this.#about = about;
    this.#program = program;
  }

  /** Whether it was seen, and nothing that is known to matter changed since. */
  isSeen(): boolean {
    const isFresh = Math.abs(Date.now() - (statSync(this.#file, { throwIfNoEntry: false })?.mtimeMs ?? 0)) < DAY_MS;
    return isFresh && textOf(this.#file) === this.#state();
  }

  /** Remembers this kind in the place of the one before. Where that cannot be written it is not remembered. */
  note(): void {
    try {
      writeFileSync(this.#file, this.#state());
    } catch {
      // the next command tries again
    }
  }

  forget(): void {
    rmSync(this.#file, { force: true });
  }

  #state(): string {
    const path = findProgram(this.#program);
    const stats = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
    const program = `${path} ${stats?.size} ${stats?.mtimeMs} ${stats?.mode}`;
    return [this.#about, `${process.getuid?.()}`, program, ...SWITCHES.map(textOf)].join("\n");
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
