/*
Bounds what a job writes below its root. A directory cannot be given a size without a file system of its own, which an ordinary user cannot
make on disk and which in memory would be no place for big builds; so the root is measured, and the job is ended when it passed its limit.

Measuring walks the tree, so it is done only when it could matter: the file system's free space is asked many times a second, and only
when it fell by more than the job had left (or a second went by) is the tree walked. The overshoot is what can be written in one such
interval; RLIMIT_FSIZE (set by the sandbox) keeps any single file at the limit exactly. What was written and then unlinked while open is not seen.
*/

import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { BuildError } from "@firn/build";
import { findProgram } from "./programs.ts";

const ASK_EVERY_MS = 20;
const WALK_EVERY_MS = 1000;
/** With less than this free, the file system counts as full. */
const FREE_BYTES_MIN = 1024 * 1024;

export class SpaceWatch {
  readonly #root: string;
  readonly #du: string;
  readonly #baseline: number;

  private constructor(root: string, du: string, baseline: number) {
    this.#root = root;
    this.#du = du;
    this.#baseline = baseline;
  }

  /** Takes what is below `root` now as nothing; `exactly` measures it, which costs a process, else nothing it is. */
  static async open(root: string, exactly: boolean): Promise<SpaceWatch> {
    const du = findProgram("du");
    if (du === undefined) throw new BuildError("unsupported", "bounding the build space needs the program du");
    return new SpaceWatch(root, du, exactly ? await diskUse(du, root) : 0);
  }

  /** Bytes on disk that came since the watch was opened. */
  async used(): Promise<number> {
    return Math.max(0, (await diskUse(this.#du, this.#root)) - this.#baseline);
  }

  /** Whether the file system has no room left for anybody. */
  async isFileSystemFull(): Promise<boolean> {
    return (await freeBytes(this.#root)) < FREE_BYTES_MIN;
  }

  /** Resolves with true as soon as more than `bytesMax` are used, with false when the signal fires. */
  async exceeds(bytesMax: number, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const freeBefore = await freeBytes(this.#root);
      const left = bytesMax - (await this.used());
      if (left < 0) return true;
      const walkAgainAt = performance.now() + WALK_EVERY_MS;
      do await sleep(ASK_EVERY_MS, undefined, { signal }).catch(() => {});
      while (!signal.aborted && performance.now() < walkAgainAt && freeBefore - (await freeBytes(this.#root)) <= left);
    }
    return false;
  }
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** du(1) rather than a walk of our own: it goes deeper than paths may be long, and off this thread. */
function diskUse(du: string, root: string): Promise<number> {
  return new Promise((resolve, reject) => {
    execFile(du, ["-s", "-x", "-B1", "--", root], { env: {} }, (failure, stdout) => {
      const bytes = Number.parseInt(stdout, 10); // it fails for files that vanish under it, and still tells the sum
      if (Number.isNaN(bytes))
        reject(new BuildError("sandbox", `measuring the build space failed: ${failure?.message}`));
      else resolve(bytes);
    });
  });
}
