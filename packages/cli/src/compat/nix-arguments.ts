/*
nix-instantiate's command line. Flags and operands mix freely; single letters may stand together (`-vv`); a flag that names a setting sets
it. Follows main_nix_instantiate and LegacyArgs of C++ Nix.
*/

import type { SearchPathEntry } from "@firn/eval";
import { parseSearchPathEntry } from "../config.ts";
import type { EvalArgument } from "../evaluator/job.ts";
import { takeCommonFlag } from "./common-flags.ts";
import type { NixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";
import { Words } from "./words.ts";

/** `file` and `stdin`: the string is what is there; `value` is the path. */
export type NixArgument = Omit<EvalArgument, "kind"> & { readonly kind: EvalArgument["kind"] | "file" | "stdin" };

export type NixArguments = {
  /** `value`, or derivations unless `evaluate`. */
  readonly evaluate: boolean;
  readonly parse: boolean;
  readonly findFile: boolean;
  readonly fromArguments: boolean;
  readonly fromStdin: boolean;
  readonly operands: readonly string[];
  readonly attrPaths: readonly string[];
  readonly args: readonly NixArgument[];
  readonly format: "nix" | "json" | "raw" | "xml";
  readonly location: boolean;
  readonly strict: boolean;
  readonly dryRun: boolean;
  readonly root: string | undefined;
  readonly searchPath: readonly SearchPathEntry[];
  readonly answer: "help" | "version" | undefined;
};

/** Takes a command line apart; settings among the flags go to `settings`. Throws UsageError. */
export function parseNixArguments(argv: readonly string[], settings: NixSettings): NixArguments {
  const state = {
    evaluate: false,
    parse: false,
    findFile: false,
    fromArguments: false,
    fromStdin: false,
    operands: [] as string[],
    attrPaths: [] as string[],
    args: [] as NixArgument[],
    format: "nix" as NixArguments["format"],
    location: true,
    strict: false,
    dryRun: false,
    root: undefined as string | undefined,
    searchPath: [] as SearchPathEntry[],
    answer: undefined as NixArguments["answer"],
  };
  const words = new Words(argv);
  for (const word of words) {
    switch (word) {
      case "--eval":
      case "--eval-only":
        state.evaluate = true;
        break;
      case "--parse":
      case "--parse-only":
        state.evaluate = state.parse = true;
        break;
      case "--find-file":
        state.findFile = true;
        break;
      case "--expr":
      case "-E":
        state.fromArguments = true;
        break;
      case "-":
        state.fromStdin = true;
        break;
      case "--attr":
      case "-A":
        state.attrPaths.push(words.operand(word));
        break;
      case "--arg":
      case "--argstr": {
        const [name, value] = words.operands(word, 2);
        state.args.push({ name, kind: word === "--arg" ? "expr" : "string", value });
        break;
      }
      case "--arg-from-file": {
        const [name, value] = words.operands(word, 2);
        state.args.push({ name, kind: "file", value });
        break;
      }
      case "--arg-from-stdin":
        state.args.push({ name: words.operands(word, 1)[0], kind: "stdin", value: "" });
        break;
      case "--include":
      case "-I":
        state.searchPath.push(parseSearchPathEntry(words.operands(word, 1)[0]));
        break;
      case "--strict":
        state.strict = true;
        break;
      case "--json":
      case "--raw":
      case "--xml":
        state.format = word.slice(2) as NixArguments["format"];
        break;
      case "--no-location":
        state.location = false;
        break;
      case "--dry-run":
        state.dryRun = true;
        break;
      case "--add-root":
        state.root = words.operand(word);
        break;
      case "--read-write-mode":
      case "--readonly-mode":
      case "--indirect":
      case "--repair":
        break; // what they ask for is always so, or is never
      case "--eval-store":
        words.operands(word, 1);
        break;
      case "--help":
      case "--version":
        state.answer ??= word.slice(2) as "help" | "version";
        break;
      default:
        if (!word.startsWith("-")) state.operands.push(word);
        else if (!takeCommonFlag(word, settings, words)) throw new UsageError(`unrecognised flag '${word}'`);
    }
  }
  return state;
}
