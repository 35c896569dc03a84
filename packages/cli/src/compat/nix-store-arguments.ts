/*
nix-store's command line: one operation, its flags, operands. Flags and operands mix freely, and what a flag means is the operation's own
affair. Follows main_nix_store of C++ Nix.
*/

import { takeCommonFlag } from "./common-flags.ts";
import type { NixSettings } from "./nix-settings.ts";
import { UsageError } from "./usage-error.ts";
import { Words } from "./words.ts";

/** Spellings of operations; the first of several is the one they are known by. */
const OPERATIONS: readonly (readonly string[])[] = [
  ["--realise", "--realize", "-r"],
  ["--add", "-A"],
  ["--add-fixed"],
  ["--print-fixed-path"],
  ["--delete"],
  ["--query", "-q"],
  ["--print-env"],
  ["--read-log", "-l"],
  ["--dump-db"],
  ["--load-db"],
  ["--register-validity"],
  ["--check-validity"],
  ["--gc"],
  ["--dump"],
  ["--restore"],
  ["--export"],
  ["--import"],
  ["--init"],
  ["--verify"],
  ["--verify-path"],
  ["--repair-path"],
  ["--optimise", "--optimize"],
  ["--serve"],
  ["--generate-binary-cache-key"],
];
const OPERATION_OF = new Map(OPERATIONS.flatMap((names) => names.map((name) => [name, names[0]] as const)));
/** Operations that read standard input themselves, so that `--stdin` has no words to give. */
const READS_STDIN = new Set(["--import", "--restore", "--serve"]);
/** Flags of operations that are flags of all programs as well. */
const OPERATION_FLAGS = new Set(["--repair", "-d", "-f", "-u", "-R", "-b"]);

export type StoreArguments = {
  /** The name an operation is known by, such as `--realise`. */
  readonly operation: string;
  readonly flags: readonly string[];
  readonly operands: readonly string[];
  readonly root: string | undefined;
  readonly noOutput: boolean;
  /** With what the command line says of them. */
  readonly settings: NixSettings;
};

/** Takes a command line apart; settings among the flags go to `settings`. `help` and `version` are answers, not operations. Throws UsageError. */
export async function parseStoreArguments(
  argv: readonly string[],
  settings: NixSettings,
  readWords: () => Promise<readonly string[]>,
): Promise<StoreArguments | "help" | "version"> {
  const words = new Words(argv);
  const flags: string[] = [];
  const operands: string[] = [];
  let operation: string | undefined;
  let root: string | undefined;
  let noOutput = false;
  let readsWords = false;
  for (const word of words) {
    const named = OPERATION_OF.get(word);
    if (word === "--help" || word === "--version") return word.slice(2) as "help" | "version";
    if (named !== undefined) {
      if (operation !== undefined && operation !== named) throw new UsageError("only one operation may be specified");
      operation = named;
    } else if (word === "--add-root") root = words.operand(word);
    else if (word === "--stdin") readsWords = true;
    else if (word === "--indirect")
      continue; // every root of Firn's is
    else if (word === "--no-output") noOutput = true;
    else if (word === "--max-freed" || word === "--max-links" || word === "--max-atime")
      flags.push(word, words.operand(word));
    else if (!word.startsWith("-") || word === "-") operands.push(word);
    else if (OPERATION_FLAGS.has(word) || !takeCommonFlag(word, settings, words)) flags.push(word);
  }
  if (operation === undefined) throw new UsageError("no operation specified");
  if (readsWords && !READS_STDIN.has(operation)) operands.push(...(await readWords()));
  return { operation, flags, operands, root, noOutput, settings };
}

/** Throws UsageError for the first flag that is not among `known`. */
export function checkFlags(flags: readonly string[], known: readonly string[] = []): void {
  const unknown = flags.find((flag) => !known.includes(flag));
  if (unknown !== undefined) throw new UsageError(`unknown flag '${unknown}'`);
}
