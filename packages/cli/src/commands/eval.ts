/* `firn eval`: the value of an expression, in the form of `nix-instantiate --eval`, as JSON, or as the plain text of a string. */

import { assert } from "@firn/base";
import { defineCommand, examples } from "../command.ts";
import { CliError } from "../error.ts";
import {
  declareExpression,
  evaluate,
  EXPRESSION_PAIR_FLAGS,
  type ExpressionOptions,
  expressionOf,
} from "../expression.ts";
import type { Session } from "../session.ts";

export type EvalOptions = {
  readonly expression: ExpressionOptions;
  readonly strict: boolean;
  readonly format: "nix" | "json" | "raw" | "xml";
  /** Show the compiled code instead of a value. */
  readonly dumpCode: boolean;
};

export const command = defineCommand<EvalOptions>({
  store: "local",
  declare: (command) =>
    declareExpression(command)
      .option("--strict", "evaluate what is inside lists and sets as well")
      .option("--json", "print as JSON; implies --strict")
      .option("--raw", "print a string as it is, without quotes and final newline")
      .option("--xml", "print as XML")
      .option("--dump-code", "print the instructions the expression is compiled to, and evaluate nothing")
      .addHelpText(
        "after",
        examples(
          ["firn eval -E '1 + 2'", "3"],
          ["firn eval --json -A meta ./hello.nix", "the attribute meta, as JSON"],
          ["firn eval --argstr name you -E '{ name }: \"Hi ${name}\"'", '"Hi you"'],
        ),
      ),
  pairFlags: EXPRESSION_PAIR_FLAGS,
  optionsOf: (operands, flags) => {
    const formats = (["json", "raw", "xml"] as const).filter((format) => flags[format] === true);
    if (formats.length > 1) throw new CliError("usage", `--${formats[0]} and --${formats[1]} exclude each other`);
    return {
      expression: expressionOf(operands, flags),
      strict: flags.strict === true || flags.json === true,
      format: formats[0] ?? "nix",
      dumpCode: flags.dumpCode === true,
    };
  },
  run: printValue,
});

async function printValue(options: EvalOptions, session: Session): Promise<undefined> {
  const { expression, strict, format, dumpCode } = options;
  const output = dumpCode ? ({ kind: "code" } as const) : ({ kind: "value", strict, format } as const);
  const result = await evaluate(expression, output, session);
  assert(result.kind === "printed", "a value is printed");
  // Nix ends JSON and values with a newline; XML has its own, and raw text is left as it is.
  const end = format === "raw" || format === "xml" || dumpCode ? "" : "\n";
  for (const text of result.texts) await session.output.byteString(text + end);
  return undefined;
}
