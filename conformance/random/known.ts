/*
Where 2.35.2 and the reference, 2.8.0, differ for a reason that a release note or the source tells. Each entry recognises its differences by the program and by
what became of it, as narrowly as it can.
*/

import type { Outcome } from "./reference-batch.ts";

export type Difference = { readonly program: string; readonly reference: Outcome; readonly firn: Outcome };

type Known = { readonly reason: string; readonly explains: (difference: Difference) => boolean };

const KNOWN: readonly Known[] = [
  {
    reason: "2.25: integer arithmetic that overflows is an error; before it wrapped around",
    explains: ({ firn }) => firn.kind === "error" && /integer overflow/.test(firn.text),
  },
];

/** Why the two may differ here; undefined when nothing explains it. */
export function explanation(difference: Difference): string | undefined {
  return KNOWN.find(({ explains }) => explains(difference))?.reason;
}
