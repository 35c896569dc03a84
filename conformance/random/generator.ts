/*
Random programs for a kind of value: small, well scoped and, but for a small share, of the right types. Every way to make a value of a kind is a
rule; a rule is chosen among those that fit. fast-check supplies the choices, so a seed tells the programs.
*/

import fc from "fast-check";
import { type Builder, type Scope, shadowed } from "./builder.ts";
import { type Kind, kindOf } from "./kind.ts";
import { literal, LITERAL_KINDS, NAMES, STRING_KINDS } from "./leaves.ts";
import { callRule } from "./rule-call.ts";
import { functionTerm } from "./rule-function.ts";
import { attrsTerm, recordTerm } from "./rule-sets.ts";
import { closed, leaf, listed, open, type Term } from "./term.ts";

const DEPTH = 5;
/** Most terms of a program, about. */
const FUEL = 60;
/** One term in so many is of another kind than is wanted. */
const WRONG_ONE_IN = 500;

const KINDS = ["int", "int", "bool", "float", "string", "string", "null"].map(kindOf);
const DEEP_KINDS = [
  "[int]",
  "[string]",
  "{int}",
  "{string}",
  "[{int}]",
  "{[int]}",
  "int -> int",
  "string -> int",
  "{bool}",
  "{{bool}}",
  "[{key: int}]",
].map(kindOf);

/** Makes terms out of choices. */
class Generator implements Builder {
  readonly #choose: (limit: number) => number;
  #fuel = FUEL;

  /** `choose(n)` gives a number from 0 to n - 1. */
  constructor(choose: (limit: number) => number) {
    this.#choose = choose;
  }

  below(limit: number): number {
    return this.#choose(limit);
  }

  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }

  name(): string {
    return this.pick(NAMES);
  }

  anyKind(): Kind {
    return this.pick(this.oneIn(3) ? DEEP_KINDS : KINDS);
  }

  term(kind: Kind, scope: Scope, depth: number): Term {
    this.#fuel--;
    if (kind.is === "plain" && LITERAL_KINDS.has(kind.name)) return literal(kind.name, this.#choose);
    if (this.oneIn(WRONG_ONE_IN)) return this.term(this.anyKind(), scope, depth - 1);
    const known = this.oneIn(3) ? variablesOf(kind, scope) : [];
    if (known.length > 0) return leaf(this.pick(known));
    if (depth <= 0 || this.#fuel <= 0) return this.simple(kind, scope);
    const rule = this.below(12);
    if (rule < 3) return this.#general(kind, scope, depth - 1);
    if (rule < 7) return callRule(this, kind, scope, depth - 1) ?? this.special(kind, scope, depth - 1);
    return this.special(kind, scope, depth - 1);
  }

  /** The smallest terms of a kind. */
  simple(kind: Kind, scope: Scope): Term {
    switch (kind.is) {
      case "plain": {
        const known = variablesOf(kind, scope);
        return known.length > 0 && this.oneIn(2) ? leaf(this.pick(known)) : literal(kind.name, this.#choose);
      }
      case "list":
        return this.oneIn(2) ? leaf("[ ]") : closed`[ ${this.simple(kind.of, scope)} ]`;
      case "attrs":
        return this.oneIn(3) ? leaf("{ }") : closed`{ ${leaf(this.name())} = ${this.simple(kind.of, scope)}; }`;
      case "record":
        return recordTerm(this, kind.fields, scope, 0);
      case "function":
        return closed`(_: ${this.simple(kind.to, scope)})`;
      case "variable":
        return this.simple(this.anyKind(), scope);
    }
  }

  /** What makes values of just this kind: operators and literals with parts. */
  special(kind: Kind, scope: Scope, depth: number): Term {
    const of = (text: string): Term => this.term(kindOf(text), scope, depth);
    const same = (): Term => this.term(kind, scope, depth);
    switch (kind.is) {
      case "list": {
        if (this.oneIn(4)) return open`${same()} ++ ${same()}`;
        const items = Array.from({ length: this.below(4) }, () => this.term(kind.of, scope, depth));
        return listed("[ ", items, " ", " ]");
      }
      case "attrs":
        return this.oneIn(4) ? open`${same()} // ${same()}` : attrsTerm(this, kind.of, scope, depth);
      case "record":
        return recordTerm(this, kind.fields, scope, depth);
      case "function":
        return functionTerm(this, kind.from, kind.to, scope, depth);
      case "variable":
        return this.term(this.anyKind(), scope, depth);
      case "plain":
        break;
    }
    if (STRING_KINDS.has(kind.name)) return this.oneIn(12) ? of("string") : literal(kind.name, this.#choose);
    switch (kind.name) {
      case "int":
        if (this.oneIn(12)) return open`-${same()}`;
        return this.oneIn(3) ? literal("int", this.#choose) : this.#infix(["+", "-", "*", "/", "+"], same(), same());
      case "float":
        if (this.oneIn(3)) return literal("float", this.#choose);
        return this.#infix(["+", "-", "*", "/"], ...this.#shuffled(same(), this.oneIn(2) ? of("int") : same()));
      case "bool":
        return this.#truth(scope, depth);
      case "string":
        return this.#text(scope, depth);
      default:
        return literal(kind.name, this.#choose);
    }
  }

  #infix(operators: readonly string[], a: Term, b: Term): Term {
    return open(["", ` ${this.pick(operators)} `, ""], a, b);
  }

  #shuffled(a: Term, b: Term): [Term, Term] {
    return this.oneIn(2) ? [a, b] : [b, a];
  }

  #truth(scope: Scope, depth: number): Term {
    const of = (text: string): Term => this.term(kindOf(text), scope, depth);
    switch (this.below(7)) {
      case 0:
        return this.#infix(["&&", "||", "->"], of("bool"), of("bool"));
      case 1:
        return open`!${of("bool")}`;
      case 2:
        return open`${of("{int}")} ? ${leaf(this.pick(["a", "x", '"foo bar"', "b.c", '${"a"}']))}`;
      case 3: {
        const kind = this.anyKind();
        return this.#infix(["==", "!="], this.term(kind, scope, depth), this.term(kind, scope, depth));
      }
      case 4: {
        const kind = kindOf(this.pick(["int", "string", "float", "[int]", "[string]"]));
        return this.#infix(["<", "<=", ">", ">="], this.term(kind, scope, depth), this.term(kind, scope, depth));
      }
      case 5:
        return this.#infix(["<", "<=", ">", ">=", "==", "!="], ...this.#shuffled(of("int"), of("float")));
      default:
        return leaf(this.pick(["true", "false"]));
    }
  }

  #text(scope: Scope, depth: number): Term {
    const part = (): Term => this.term(kindOf("string"), scope, depth);
    switch (this.below(5)) {
      case 0:
        return open`${part()} + ${part()}`;
      case 1:
        return closed([`"${this.pick(["", "a", "$$", "\\n", "''"])}\${`, "} ${", '}"'], part(), part());
      case 2:
        return closed(
          ["''\n    l ${", `}\n      ${this.pick(["", "''$", "'''", "''\\t", "$"])}m \${`, "}\n  ''"],
          part(),
          part(),
        );
      default:
        return literal("string", this.#choose);
    }
  }

  /** What makes values of any kind. */
  #general(kind: Kind, scope: Scope, depth: number): Term {
    const of = (text: string): Term => this.term(kindOf(text), scope, depth);
    const same = (inner: Scope = scope): Term => this.term(kind, inner, depth);
    const [name, other] = [this.name(), this.name()];
    const first = { name, kind: this.anyKind() };
    const value = (): Term => this.term(first.kind, scope, depth);
    switch (this.below(12)) {
      case 0:
        return open`if ${of("bool")} then ${same()} else ${same()}`;
      case 1:
        return open`let ${leaf(name)} = ${this.term(first.kind, shadowed(scope, [name]), depth)}; in ${same([...scope, first])}`;
      case 2: {
        if (name === other) return same();
        const second = { name: other, kind: this.anyKind() };
        const both = [...scope, first, second];
        // The names of a `let` see each other; the first is made without the second, so there is no cycle.
        const hidden = shadowed(scope, [name, other]);
        const firstValue = this.term(first.kind, hidden, depth);
        const secondValue = this.term(second.kind, [...hidden, first], depth);
        return open`let ${leaf(name)} = ${firstValue}; ${leaf(other)} = ${secondValue}; in ${same(both)}`;
      }
      case 3: {
        // Names of a `with` yield to those of the program.
        const inner = scope.some((variable) => variable.name === name) ? scope : [first, ...scope];
        return open`with { ${leaf(name)} = ${value()}; }; ${same(inner)}`;
      }
      case 4:
        return open`assert ${this.oneIn(4) ? of("bool") : leaf("true")}; ${same()}`;
      case 5:
        return open`(${leaf(name)}: ${same([...scope, first])}) ${value()}`;
      case 6:
        return open`{ ${leaf(name)} = ${same()}; }.${leaf(name)}`;
      case 7:
        return open`{ ${leaf(name)} = ${same()}; }.${leaf(other)} or ${same()}`;
      case 8:
        return open`(${functionTerm(this, { is: "attrs", of: first.kind }, kind, scope, depth)}) { ${leaf(name)} = ${value()}; }`;
      case 9:
        return open`let inherit (${recordTerm(this, [[name, first.kind]], scope, depth)}) ${leaf(name)}; in ${same([...scope, first])}`;
      case 10:
        return open`{ __functor = _: ${leaf(name)}: ${same([...scope, first])}; } ${value()}`;
      default:
        return open`let { ${leaf(name)} = ${leaf("1")}; body = ${this.term(kind, shadowed(scope, [name, "body"]), depth)}; }`;
    }
  }
}

/** The names that hold a value of this kind. */
function variablesOf(kind: Kind, scope: Scope): string[] {
  const wanted = JSON.stringify(kind);
  const visible = scope.filter((variable, i) => scope.findLastIndex(({ name }) => name === variable.name) === i);
  return visible.filter((variable) => JSON.stringify(variable.kind) === wanted).map(({ name }) => name);
}

/** fast-check prefers the ends of a range otherwise, and each end is a rule of its own here. */
function unbiased(max: number): fc.Arbitrary<number> {
  return fc.noBias(fc.nat(max));
}

export const programs: fc.Arbitrary<Term> = fc.gen().map((choice) => {
  const generator = new Generator((limit) => choice(unbiased, limit - 1));
  return generator.term(generator.anyKind(), [], DEPTH);
});
