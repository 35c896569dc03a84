/*
A program as a tree of text pieces: what stands between the subterms, and the subterms. It knows no grammar; all that matters is how it prints
and how it gets smaller. A smaller program may be nonsense (a name without its `let`), which is no harm: both evaluators refuse it.
*/

export type Term = {
  /** One more than `kids`: the text before, between and after them. */
  readonly parts: readonly string[];
  readonly kids: readonly Term[];
  /** Whether it needs parentheses to be part of another term. */
  readonly atom: boolean;
};

export function leaf(text: string): Term {
  return { parts: [text], kids: [], atom: true };
}

/** An open term: it is put in parentheses inside another. */
export function open(parts: TemplateStringsArray | readonly string[], ...kids: Term[]): Term {
  return { parts, kids, atom: false };
}

/** A term that brackets itself. */
export function closed(parts: TemplateStringsArray | readonly string[], ...kids: Term[]): Term {
  return { parts, kids, atom: true };
}

/** `kids` with `separator` between and the brackets around them, as one closed term. */
export function listed(before: string, kids: readonly Term[], separator: string, after: string): Term {
  if (kids.length === 0) return leaf(before + after);
  return { parts: [before, ...kids.slice(1).map(() => separator), after], kids, atom: true };
}

/** The text of a term, as a byte string. */
export function print(term: Term): string {
  let text = term.parts[0];
  term.kids.forEach((kid, i) => {
    text += (kid.atom ? print(kid) : `(${print(kid)})`) + term.parts[i + 1];
  });
  return text;
}

export function sizeOf(term: Term): number {
  return term.kids.reduce((size, kid) => size + sizeOf(kid), 1);
}

const TRIVIAL = ["1", '""', "[ ]", "{ }", "null", "true", "(x: x)"].map(leaf);

/** Programs with one subterm replaced by one of its own subterms or by something trivial, the smallest first. */
export function smaller(term: Term): Term[] {
  return variants(term).sort((a, b) => sizeOf(a) - sizeOf(b) || print(a).length - print(b).length);
}

function variants(term: Term): Term[] {
  const all: Term[] = [...term.kids];
  if (term.kids.length > 0) all.push(...TRIVIAL);
  term.kids.forEach((kid, i) => {
    for (const variant of variants(kid)) all.push({ ...term, kids: term.kids.with(i, variant) });
  });
  return all;
}
