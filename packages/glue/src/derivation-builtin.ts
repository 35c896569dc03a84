/*
`derivation`: the lazy face of derivationStrict. It yields a set of the arguments, the outputs and what makes it a package; the derivation
itself is made only when a path is asked for. C++ Nix writes this in Nix; here it is JavaScript, because nixpkgs calls it thousands of times, and looks
like a function of the language all the same.
*/

import {
  Attrs,
  type BuiltinDefinition,
  call1,
  EvalError,
  force,
  forceList,
  forceTextWithoutContext,
  lazily,
  type Lazy,
  nativeFunction,
  update,
  type Value,
} from "@firn/eval";

/** `strict` is the value of `derivationStrict`. */
export function derivationBuiltin(strict: Value): BuiltinDefinition {
  const value = nativeFunction("drvAttrs", [["outputs", ["out"]]], (drvAttrs) => derivation(drvAttrs, strict));
  return { name: "derivation", value, global: true };
}

function derivation(drvAttrs: Attrs, strict: Value): Value {
  const outputsAttr = drvAttrs.get("outputs");
  const outputs =
    outputsAttr === undefined ? ["out"] : forceList(outputsAttr).map((output) => forceTextWithoutContext(output));
  if (outputs.length === 0) throw new EvalError("invalid-value", "'builtins.head' called on an empty list");
  const made = lazily(() => call1(strict, drvAttrs, 0));
  const fromMade = (name: string) =>
    lazily(() => {
      const value = (force(made) as Attrs).get(name);
      if (value === undefined) throw new EvalError("missing-attribute", `attribute '${name}' missing`);
      return force(value);
    });
  const drvPath = fromMade("drvPath");

  const perOutput = new Map<string, Lazy>();
  for (const output of outputs) {
    if (perOutput.has(output)) continue;
    const outPath = fromMade(output);
    perOutput.set(
      output,
      lazily(() =>
        update(
          common,
          Attrs.fromEntries([
            ["outPath", outPath],
            ["drvPath", drvPath],
            ["type", "derivation"],
            ["outputName", output],
          ]),
        ),
      ),
    );
  }
  const extra = new Map<string, Lazy>(perOutput);
  extra.set(
    "all",
    outputs.map((output) => perOutput.get(output) as Lazy),
  );
  extra.set("drvAttrs", drvAttrs);
  const common: Attrs = update(drvAttrs, Attrs.fromMap(extra));
  return force(perOutput.get(outputs[0]) as Lazy);
}
