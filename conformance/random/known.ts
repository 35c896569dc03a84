/*
Where 2.35.2 and the reference, 2.8.0, differ for a reason that a release note or the source tells. Each entry recognises its differences by the program and by
what became of it, as narrowly as it can; builtins that can be replaced by what they were are in older-builtins.ts.
*/

import { olderReason } from "./older-builtins.ts";
import type { Outcome } from "./reference-batch.ts";

export type Difference = { readonly program: string; readonly reference: Outcome; readonly firn: Outcome };

/** With what Firn makes of it when it has the builtins of older-builtins.ts. */
export type OlderDifference = Difference & { readonly older: Outcome };

type Known = { readonly reason: string; readonly explains: (difference: Difference) => boolean };

const KNOWN: readonly Known[] = [
  {
    reason: "2.25: integer arithmetic that overflows is an error; before it wrapped around",
    explains: ({ firn }) => firn.kind === "error" && firn.text.startsWith("integer overflow"),
  },
  {
    reason:
      "2.29: ceil and floor refuse what is no 64-bit integer, or is an integer that no float is equal to; before they gave another one",
    explains: ({ firn }) =>
      firn.kind === "error" && /^Due to a bug \(see .*12899|^NixFloat argument .* is not in the range/.test(firn.text),
  },
  {
    reason: "2.25: fromJSON refuses integers of more than 64 bits; before they wrapped around",
    explains: ({ program, firn }) => /fromJSON/.test(program) && /outside of Nix integer range/.test(firn.text),
  },
  {
    reason:
      "a later release, in no release note: the name of a derivation is checked before its other attributes are looked at",
    explains: ({ reference, firn }) =>
      reference.kind === "caught" && firn.kind === "error" && firn.text.startsWith("invalid derivation name"),
  },
  {
    reason: "a later release, in no release note: `//` looks at its right operand first, which tells when both fail",
    explains: ({ program, reference, firn }) =>
      program.includes("//") && [reference, firn].every(({ kind }) => kind === "caught" || kind === "error"),
  },
];

export function differ(a: Outcome, b: Outcome): boolean {
  return a.kind !== b.kind || (a.kind === "value" && a.text !== b.text);
}

/** Why the two may differ here; undefined when nothing explains it. */
export function explanation(difference: OlderDifference): string | undefined {
  const { program, reference, older } = difference;
  if (!differ(reference, older)) return olderReason(program);
  // Or both: what was an error of the one kind is one of the other with the older builtins.
  const both = [difference, { ...difference, firn: older }];
  return KNOWN.find(({ explains }) => both.some(explains))?.reason;
}
