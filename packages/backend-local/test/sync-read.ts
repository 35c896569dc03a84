/* What the tests of the synchronous side read, in a worker and in the main thread. */

import type { SyncStore } from "@firn/backend-local";
import type { Digest } from "@firn/castore";

export type SyncQuestions = {
  readonly hashPart: string;
  readonly root: Digest;
  readonly small: Digest;
  readonly large: Digest;
};

export function collectSync(store: SyncStore, questions: SyncQuestions) {
  return {
    name: store.pathInfo(questions.hashPart)?.path.name,
    entries: store.directory(questions.root)?.entries.length,
    small: store.readBlob(questions.small)?.length,
    large: store.readBlob(questions.large)?.length,
    absent: store.readBlob("0".repeat(64) as Digest) ?? "nothing",
  };
}
