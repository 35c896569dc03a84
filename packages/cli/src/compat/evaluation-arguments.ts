/*
What nix-instantiate, nix-build and nix-shell have in common on their command lines: which expressions to evaluate, with which arguments, which
attributes to take. Follows MixEvalArgs of C++ Nix.
*/

import type { SearchPathEntry } from "@firn/eval";
import { parseSearchPathEntry } from "../config.ts";
import type { EvalArgument } from "../evaluator/job.ts";
import { takeCommonFlag } from "./common-flags.ts";
import type { NixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";
import type { Words } from "./words.ts";

/** `file` and `stdin`: the string is what is there; `value` is the path. */
export type NixArgument = Omit<EvalArgument, "kind"> & { readonly kind: EvalArgument["kind"] | "file" | "stdin" };

export type EvaluationArguments = {
  /** Operands are expressions, not files. */
  readonly fromArguments: boolean;
  readonly fromStdin: boolean;
  readonly operands: readonly string[];
  readonly attrPaths: readonly string[];
  readonly args: readonly NixArgument[];
  readonly searchPath: readonly SearchPathEntry[];
};

export class EvaluationFlags implements EvaluationArguments {
  fromArguments = false;
  fromStdin = false;
  readonly operands: string[] = [];
  readonly attrPaths: string[] = [];
  readonly args: NixArgument[] = [];
  readonly searchPath: SearchPathEntry[] = [];

  /** Takes what is no flag of the program's own: one of these, an operand, or a flag that all programs have. Throws UsageError. */
  take(word: string, words: Words, settings: NixSettings): void {
    if (this.#takeFlag(word, words)) return;
    if (!word.startsWith("-")) this.operands.push(word);
    else if (!takeCommonFlag(word, settings, words)) throw new UsageError(`unrecognised flag '${word}'`);
  }

  /** Takes a flag, with its operands. False, with nothing done, when it is none of these. Throws UsageError. */
  #takeFlag(word: string, words: Words): boolean {
    switch (word) {
      case "--expr":
      case "-E":
        this.fromArguments = true;
        return true;
      case "-":
        this.fromStdin = true;
        return true;
      case "--attr":
      case "-A":
        this.attrPaths.push(words.operand(word));
        return true;
      case "--arg":
      case "--argstr": {
        const [name, value] = words.operands(word, 2);
        this.args.push({ name, kind: word === "--arg" ? "expr" : "string", value });
        return true;
      }
      case "--arg-from-file": {
        const [name, value] = words.operands(word, 2);
        this.args.push({ name, kind: "file", value });
        return true;
      }
      case "--arg-from-stdin":
        this.args.push({ name: words.operands(word, 1)[0], kind: "stdin", value: "" });
        return true;
      case "--include":
      case "-I":
        this.searchPath.push(parseSearchPathEntry(words.operands(word, 1)[0]));
        return true;
      case "--eval-store":
        words.operands(word, 1);
        return true;
      case "--read-write-mode":
      case "--readonly-mode":
        return true; // what they ask for is always so, or is never
      default:
        return false;
    }
  }
}
