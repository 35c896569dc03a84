/* What failures of a file system mean, for messages of backends that keep things in one. */

import { messageOf } from "@firn/base";

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EACCES: "permission is lacking",
  EPERM: "permission is lacking",
  EROFS: "the file system is read-only",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  EIO: "the disk reports a fault",
};

/** The error's message, after what its errno name (`code`) means where that is known. */
export function diskProblem(thrown: unknown): string {
  const advice = ADVICE[String((thrown as { code?: unknown } | undefined)?.code)];
  return advice === undefined ? messageOf(thrown) : `${advice} (${messageOf(thrown)})`;
}
