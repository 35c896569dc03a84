/*
A stable merge sort that asks only `less(a, b)`, as builtins.sort offers nothing else, and asks it about n log n times. Runs
that are sorted already are found first.
*/

import type { Lazy } from "../value.ts";

/** A sorted copy. `less` may throw, and may be inconsistent: the result is then some order, and it ends. */
export function mergeSort(items: readonly Lazy[], less: (a: Lazy, b: Lazy) => boolean): Lazy[] {
  let runs = ascendingRuns(items, less);
  while (runs.length > 1) {
    const merged: Lazy[][] = [];
    for (let i = 0; i < runs.length; i += 2)
      merged.push(i + 1 < runs.length ? merge(runs[i], runs[i + 1], less) : runs[i]);
    runs = merged;
  }
  return runs[0] ?? [];
}

function ascendingRuns(items: readonly Lazy[], less: (a: Lazy, b: Lazy) => boolean): Lazy[][] {
  const runs: Lazy[][] = [];
  let run: Lazy[] = [];
  for (let i = 0; i < items.length; i++) {
    if (run.length > 0 && less(items[i], run[run.length - 1])) {
      runs.push(run);
      run = [];
    }
    run.push(items[i]);
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

function merge(left: readonly Lazy[], right: readonly Lazy[], less: (a: Lazy, b: Lazy) => boolean): Lazy[] {
  const merged: Lazy[] = [];
  let i = 0;
  let j = 0;
  // The left one goes first unless the right one is less: that keeps it stable.
  while (i < left.length && j < right.length) merged.push(less(right[j], left[i]) ? right[j++] : left[i++]);
  while (i < left.length) merged.push(left[i++]);
  while (j < right.length) merged.push(right[j++]);
  return merged;
}
