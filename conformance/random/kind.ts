/*
Kinds of values, as the generator aims for them: the types of the language, and strings of a certain form. They are written in a small
notation, `(a -> b) -> [a] -> [b]`, in which `{a}` is a set with values of one kind, `{key: int}` one with these names, and a single letter is any kind.
*/

export type Kind =
  | { readonly is: "plain"; readonly name: string }
  | { readonly is: "variable"; readonly name: string }
  | { readonly is: "list"; readonly of: Kind }
  | { readonly is: "attrs"; readonly of: Kind }
  | { readonly is: "record"; readonly fields: readonly (readonly [name: string, kind: Kind])[] }
  | { readonly is: "function"; readonly from: Kind; readonly to: Kind };

/** Reads the notation. */
export function kindOf(text: string): Kind {
  const tokens = text.match(/->|[[\](){}:,]|[\w-]+/g) ?? [];
  let at = 0;
  const next = (): string => tokens[at++];
  const atom = (): Kind => {
    const token = next();
    if (token === "(" || token === "[") {
      const of = kind();
      next();
      return token === "(" ? of : { is: "list", of };
    }
    if (token !== "{") return { is: token.length === 1 ? "variable" : "plain", name: token };
    if (tokens[at + 1] !== ":") {
      const of = kind();
      next();
      return { is: "attrs", of };
    }
    const fields: [string, Kind][] = [];
    do {
      const name = next();
      next();
      fields.push([name, kind()]);
    } while (next() === ",");
    return { is: "record", fields };
  };
  const kind = (): Kind => {
    const from = atom();
    if (tokens[at] !== "->") return from;
    next();
    return { is: "function", from, to: kind() };
  };
  return kind();
}

export type Bindings = Map<string, Kind>;

/** Whether a value of the kind `pattern` (with variables, which are bound) serves where `goal` (without any) is wanted. */
export function fits(pattern: Kind, goal: Kind, bindings: Bindings): boolean {
  if (pattern.is === "variable") {
    const bound = bindings.get(pattern.name);
    if (bound !== undefined) return fits(bound, goal, bindings);
    bindings.set(pattern.name, goal);
    return true;
  }
  if (pattern.is !== goal.is) return false;
  if (pattern.is === "plain" && goal.is === "plain") return pattern.name === goal.name;
  if (pattern.is === "list" && goal.is === "list") return fits(pattern.of, goal.of, bindings);
  if (pattern.is === "attrs" && goal.is === "attrs") return fits(pattern.of, goal.of, bindings);
  if (pattern.is === "function" && goal.is === "function") {
    return fits(pattern.from, goal.from, bindings) && fits(pattern.to, goal.to, bindings);
  }
  if (pattern.is === "record" && goal.is === "record") {
    const { fields } = goal;
    return (
      fields.length === pattern.fields.length &&
      pattern.fields.every(([name, kind], i) => name === fields[i][0] && fits(kind, fields[i][1], bindings))
    );
  }
  return false;
}

/** `kind` with its variables replaced; `fresh` gives a kind to those without one. */
export function substitute(kind: Kind, bindings: Bindings, fresh: () => Kind): Kind {
  const within = (part: Kind): Kind => substitute(part, bindings, fresh);
  switch (kind.is) {
    case "plain":
      return kind;
    case "variable": {
      const bound = bindings.get(kind.name) ?? fresh();
      bindings.set(kind.name, bound);
      return bound;
    }
    case "list":
    case "attrs":
      return { is: kind.is, of: within(kind.of) };
    case "record":
      return { is: "record", fields: kind.fields.map(([name, of]) => [name, within(of)] as const) };
    case "function":
      return { is: "function", from: within(kind.from), to: within(kind.to) };
  }
}
