/* `firn instantiate`: the derivations of an expression, written to the store and named. */

import { defineCommand, examples } from "../command.ts";
import { instantiate } from "../derivations.ts";
import { declareExpression, EXPRESSION_PAIR_FLAGS, type ExpressionOptions, expressionOf } from "../expression.ts";
import type { Session } from "../session.ts";

export type InstantiateOptions = { readonly expression: ExpressionOptions; readonly json: boolean };

export const command = defineCommand<InstantiateOptions>({
  store: "local",
  declare: (command) =>
    declareExpression(command)
      .option("--json", "print a list of {attrPath, name, drvPath, outputs}")
      .addHelpText(
        "after",
        examples(
          ["firn instantiate ./hello", "prints the path of its .drv"],
          ["firn drv show $(firn instantiate ./hello)", "what is in it"],
        ),
      ),
  pairFlags: EXPRESSION_PAIR_FLAGS,
  optionsOf: (operands, flags) => ({ expression: expressionOf(operands, flags), json: flags.json === true }),
  run: printDerivations,
});

async function printDerivations({ expression, json }: InstantiateOptions, session: Session): Promise<undefined> {
  const { output } = session;
  const store = await session.openStore();
  await using lease = await store.leases.openLease("instantiate");
  const derivations = await instantiate(expression, session, lease);
  if (json) {
    const rows = derivations.map(({ attrPath, name, drvPath, outputs }) => ({
      attrPath,
      name,
      drvPath,
      outputs: Object.fromEntries(outputs.map((one) => [one.name, one.path])),
    }));
    await output.json(rows);
    return undefined;
  }
  // As nix-instantiate: an output other than `out` is part of the answer.
  for (const { drvPath, outputName } of derivations)
    await output.line(outputName === "out" ? drvPath : `${drvPath}!${outputName}`);
  return undefined;
}
