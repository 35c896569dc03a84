/* `firn parse`: an expression as the parser understands it, in the form of `nix-instantiate --parse`. */

import { assert } from "@firn/base";
import { defineCommand, examples } from "../command.ts";
import { evaluate, type ExpressionOptions, expressionOf } from "../expression.ts";
import type { Session } from "../session.ts";

export type ParseOptions = { readonly expression: ExpressionOptions };

export const command = defineCommand<ParseOptions>({
  declare: (command) =>
    command
      .argument("[path]", "file with the expression, a directory with a default.nix, or - (default: ./default.nix)")
      .option("-E, --expr <expr>", "the expression itself")
      .addHelpText(
        "after",
        examples(
          ["firn parse ./default.nix", "prints it, fully parenthesised"],
          ["firn parse -E 'a: b: a + b'", "(a: (b: (a + b)))"],
        ),
      ),
  optionsOf: (operands, flags) => ({ expression: expressionOf(operands, flags) }),
  run: printParsed,
});

async function printParsed({ expression }: ParseOptions, session: Session): Promise<undefined> {
  const result = await evaluate(expression, { kind: "parse" }, session);
  assert(result.kind === "printed", "a parse is printed");
  for (const text of result.texts) await session.output.byteString(`${text}\n`);
  return undefined;
}
