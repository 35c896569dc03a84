/*
nix-shell's command line, and that of a script which names nix-shell as its interpreter: the flags are then in lines of the script that begin
with `#! nix-shell`. Follows main_nix_build of C++ Nix.
*/

import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { CliError } from "../error.ts";
import { type EvaluationArguments, EvaluationFlags } from "./evaluation-arguments.ts";
import type { NixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";
import { Words } from "./words.ts";
import { shellQuote } from "../shell-quote.ts";

export type NixShellArguments = {
  readonly evaluation: EvaluationArguments;
  /** Operands are packages of nixpkgs instead of files. */
  readonly isPackages: boolean;
  readonly isPure: boolean;
  readonly keep: readonly string[];
  readonly exclude: readonly RegExp[];
  readonly command: string | undefined;
  readonly isInteractive: boolean;
  /** Where paths of a script's flags begin. */
  readonly baseDirectory: string | undefined;
  readonly answer: "help" | "version" | undefined;
};

/** Takes a command line apart; settings among the flags go to `settings`. Throws UsageError. */
export function parseNixShellArguments(
  argv: readonly string[],
  settings: NixSettings,
  workingDirectory: string,
): NixShellArguments {
  const script = scriptOf(argv, workingDirectory);
  const evaluation = new EvaluationFlags();
  let isPackages = false;
  let isPure = false;
  let command: string | undefined;
  let isInteractive = true;
  let interpreter = "bash";
  let answer: NixShellArguments["answer"];
  const keep: string[] = [];
  const exclude: RegExp[] = [];
  const words = new Words(script?.flags ?? argv);
  for (const word of words) {
    switch (word) {
      case "--packages":
      case "-p":
        isPackages = true;
        break;
      case "--pure":
        isPure = true;
        break;
      case "--impure":
        isPure = false;
        break;
      case "--keep":
        keep.push(words.operand(word));
        break;
      case "--exclude":
        exclude.push(patternOf(words.operand(word)));
        break;
      case "--command":
      case "--run":
        command = words.operand(word);
        isInteractive = word === "--command";
        break;
      case "-i":
        interpreter = words.operand(word);
        break;
      case "--add-root":
        words.operand(word);
        break;
      case "--indirect":
        break;
      case "--help":
      case "--version":
        answer ??= word.slice(2) as "help" | "version";
        break;
      default:
        evaluation.take(word, words, settings);
    }
  }
  if (script !== undefined) {
    command = `exec ${interpreter} ${[script.path, ...script.args].map(shellQuote).join(" ")}`;
    isInteractive = false;
  }
  const baseDirectory = script === undefined ? undefined : dirname(script.path);
  return { evaluation, isPackages, isPure, keep, exclude, command, isInteractive, baseDirectory, answer };
}

type Script = { readonly path: string; readonly flags: readonly string[]; readonly args: readonly string[] };

/** When the first word is a file that begins with `#!`: the flags it holds, and the words after it. */
function scriptOf([first, ...args]: readonly string[], workingDirectory: string): Script | undefined {
  if (first === undefined || first.startsWith("-")) return undefined;
  const path = resolve(workingDirectory, first);
  let lines: string[];
  try {
    lines = readFileSync(path, "utf8").split("\n");
  } catch {
    return undefined; // a directory, or no file: an expression to be looked for
  }
  if (!lines[0].startsWith("#!")) return undefined;
  const flags: string[] = [];
  for (const line of lines.slice(1)) {
    if (!line.startsWith("#!")) break;
    const words = /^#!\s*nix-shell\s+(.*)$/.exec(line.trimEnd());
    if (words !== null) flags.push(...shellWords(words[1]));
  }
  return { path, flags, args };
}

/** A line as a shell takes it apart: blanks, both kinds of quotes, backslashes. Throws UsageError when a quote is open. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = "";
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (quoted !== "" && char === quoted) quoted = "";
    else if (quoted === "'" || (char !== "\\" && quoted !== "")) word = (word ?? "") + char;
    else if (char === "\\" && i + 1 < line.length) word = (word ?? "") + line[++i];
    else if (char === "'" || char === '"') {
      quoted = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quoted !== "") throw new UsageError(`unterminated ${quoted} in '${line}'`);
  if (word !== undefined) words.push(word);
  return words;
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new CliError("usage", `'--exclude ${text}' is no regular expression`, { cause });
  }
}
