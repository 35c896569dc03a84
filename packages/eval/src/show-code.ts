/*
Code for people (`firn eval --dump-code`): one line an instruction, indented by nesting, named and laid out by the table of operations. What a
cache has not been asked for yet shows as a stub.
*/

import type { ByteString } from "@firn/base";
import { type Instruction, OPERATIONS } from "./instruction.ts";
import type { LambdaCode } from "./lambda.ts";
import type { PathStep } from "./ops-sets.ts";
import { printValue } from "./print.ts";
import { quoteString } from "./quote.ts";
import type { Shape } from "./shape.ts";

/** All of it, with positions as `@offset` into a source that starts at position `base`. Lines end with a newline. */
export function showCode(root: Instruction, base: number): ByteString {
  const lines: string[] = [];
  show(root, "", base, lines);
  return lines.map((line) => `${line}\n`).join("");
}

function show(i: Instruction, indent: string, base: number, lines: string[]): void {
  const { name, operands } = OPERATIONS[i.op];
  const inline: string[] = [];
  const nested: (() => void)[] = [];
  const below = `${indent}  `;
  const child = (label: string, code: Instruction | null) => {
    if (code === null) return;
    nested.push(() => {
      lines.push(`${indent} ${label}:`);
      show(code, below, base, lines);
    });
  };
  operands.forEach(([kind, label], n) => {
    const operand = [i.a, i.b, i.c, i.d, i.e][n];
    switch (kind) {
      case "const":
        inline.push(printValue(operand));
        return;
      case "name":
        inline.push(quoteString(operand));
        return;
      case "number":
        inline.push(`${label}=${operand}`);
        return;
      case "numbers":
        inline.push(`${label}=[${operand.join(" ")}]`);
        return;
      case "code":
        return child(label, operand);
      case "codes":
        (operand as Instruction[]).forEach((code, index) => {
          child(`${label}[${index}]`, code);
        });
        return;
      case "path":
        (operand as PathStep[]).forEach((step, index) => {
          if (typeof step === "string") inline.push(quoteString(step));
          else child(`${label}[${index}]`, step);
        });
        return;
      case "shape":
        inline.push(`{${(operand as Shape).names.join(" ")}}`);
        return;
      case "lambda": {
        const code: LambdaCode = operand;
        const formals = code.formals?.map((formal) => formal.name + (formal.fallback === null ? "" : "?"));
        const rest = code.ellipsis ? ["..."] : [];
        inline.push(`arity=${code.arity}`, ...code.argNames);
        if (formals !== undefined) inline.push(`{${[...formals, ...rest].join(" ")}}`);
        for (const formal of code.formals ?? []) child(`default of ${formal.name}`, formal.fallback);
        return child("body", code.body);
      }
    }
  });
  lines.push(`${indent}${[name, ...inline].join(" ")}${i.pos === 0 ? "" : ` @${i.pos - base}`}`);
  for (const write of nested) write();
}
