/*
A derivation in the store as a value: what `import` gives for a .drv file. It is a package like those of `derivation`, without the attributes
it was made of. Follows derivationToValue of C++ Nix.
*/

import type { ByteString } from "@firn/base";
import { Attrs, force, lazily, type Lazy, StringContext, StringWithContext, update, type Value } from "@firn/eval";
import { outputString } from "./derivation-outputs.ts";
import type { EvalStore } from "./eval-store.ts";

/** The first output of the derivation at an absolute path, with all others. */
export function importedDerivation(path: ByteString, store: EvalStore): Value {
  const { derivation } = store.derivation(path);
  const drvPath = new StringWithContext(path, StringContext.of([`=${path}`]) as StringContext);
  const perOutput = Array.from(derivation.outputs, ([output, { path: outPath }]): [string, Lazy] => [
    output,
    lazily(() =>
      update(
        common,
        Attrs.fromEntries([
          ["outPath", outputString(path, output, outPath, store)],
          ["outputName", output],
        ]),
      ),
    ),
  ]);
  const common: Attrs = update(
    Attrs.fromMap(new Map(perOutput)),
    Attrs.fromEntries([
      ["all", perOutput.map(([, value]) => value)],
      ["drvPath", drvPath],
      ["name", derivation.env.get("name") ?? ""],
      ["type", "derivation"],
    ]),
  );
  return force(perOutput[0][1]);
}
