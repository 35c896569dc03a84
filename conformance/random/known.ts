/*
Where 2.35.2 and the reference, 2.8.0, differ for a reason that a release note or the source tells. Each entry recognises its differences by the program and by
what became of it, as narrowly as it can.
*/

import type { Outcome } from "./reference-batch.ts";

export type Difference = { readonly program: string; readonly reference: Outcome; readonly firn: Outcome };

type Known = { readonly reason: string; readonly explains: (difference: Difference) => boolean };

const KNOWN: readonly Known[] = [
  {
    reason: "2.25: the context of an error is looked at only when there is one, and overflow is one now",
    explains: ({ program, reference, firn }) =>
      /addErrorContext/.test(program) && reference.kind === "value" && firn.text.startsWith("cannot coerce"),
  },
  {
    reason: "a later release, in no release note: substring refuses a negative start before it looks at the string",
    explains: ({ program, firn }) => /substring/.test(program) && firn.text.startsWith("negative start position"),
  },
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
    reason: "2.12: JSON holds as many digits of a float as bring it back, and keeps it one (1.0); before it held six",
    explains: ({ program, reference, firn }) =>
      /toJSON/.test(program) &&
      bothValues(reference, firn) &&
      (/stringLength|hashString|substring/.test(program) ||
        roundedNumbers(reference.text) === roundedNumbers(firn.text)),
  },
  {
    reason: "2.25: fromJSON refuses integers of more than 64 bits; before they wrapped around",
    explains: ({ program, firn }) => /fromJSON/.test(program) && /outside of Nix integer range/.test(firn.text),
  },
  {
    reason: "2.13: filter and sort give back an empty list without looking at the function, and look at the list first",
    explains: ({ program, reference, firn }) =>
      /filter|sort/.test(program) &&
      (reference.kind === "caught" ? firn.kind === "error" : reference.kind === "error" && firn.kind === "value"),
  },
  {
    reason: "2.13 (map) and 2.14 (genList): they want a function even where none of the values is looked at",
    explains: ({ program, reference, firn }) =>
      /genList|map/.test(program) && reference.kind === "value" && firn.kind !== "value",
  },
];

function bothValues(a: Outcome, b: Outcome): boolean {
  return a.kind === "value" && b.kind === "value";
}

/** Numbers in a text cut to six digits, in one form. */
function roundedNumbers(text: string): string {
  return text.replace(/\d+(?:\.\d+)?(?:e[+-]?\d+)?/g, (number) => Number(number).toPrecision(6));
}

/** Why the two may differ here; undefined when nothing explains it. */
export function explanation(difference: Difference): string | undefined {
  return KNOWN.find(({ explains }) => explains(difference))?.reason;
}
